"""The prompts of the phases and of the judges: files that users can replace."""

from sysgen_local.prompts.prompt_file import PromptFile, judge_prompt
from sysgen_local.prompts.prompt_set import ContentFree, PromptSet

__all__ = ["ContentFree", "PromptFile", "PromptSet", "judge_prompt"]
