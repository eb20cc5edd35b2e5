"""What says nothing, speaks to the user or breaks off goes; instructions stay."""

from __future__ import annotations

import pytest

from sysgen_local.phases.wording import addresses_user, is_question, says_nothing, unfinished
from sysgen_local.phases.words import normalized

NOTHING = """
Not applicable.
None required
None.
No tools.
No tool needed
No specific tool is needed.
No specific tools are required for this task.
No additional background information is provided.
No background or context is given.
There is no background information
There is no specific format required.
There are no tools available here.
Nothing is needed.
Not specified.
It is not relevant.
不适用
該当なし
해당 없음
Не требуется.
Keine Angabe
""".strip().splitlines()

TO_USER = """
Here is your recipe
Here's a list of five books.
Here is a math problem.
I hope this helps!
Use less salt. I hope this helps.
Sure! Mint likes water.
Certainly, the poem is below.
Thank you for your question.
Let me know if you need more.
Please let me know what you think.
Feel free to ask if anything is unclear.
I can help you with that.
I will create a meal plan for you.
I'll write the poem now.
I would like to discuss the benefits of yoga.
I am your personal chef.
I'm sorry, but this cannot be answered.
As an AI language model, I cannot taste food.
You will get to choose what you want me to cook.
How can I help you?
Enjoy your meal!
Hello! Nice to meet you.
Great question about mint.
The answer is 42.
The correct answer is: B.
Ich hoffe, das hilft dir weiter.
Voici une recette de crêpes.
Aquí tienes la receta.
Надеюсь, это поможет.
希望这对您有帮助。
当然！薄荷很容易种。
""".strip().splitlines()

UNFINISHED = """
Use a table with the columns
Return a JSON object with the keys
Answer in a table with the following columns
Name herbs such as
Name herbs such as.
List the tools, steps,
List the tools and
Explain the causes, the signs and the.
Be kind but
Use a table with
You are an expert in
You are an experienced teacher of
Give the answer as a
Give the answer in the form of an.
Describe the difference between
Act as
Make the answer shorter than
Include the following
Include the following:
Give three examples (from the text
Give three examples of “fast
Give three examples of "
Start with an overview -
The relay is a device that converts current, voltage,
首先说明原因，
包括以下内容：
请使用下列格式（
まず原因を説明し、
اشرح الأسباب،
Объясни причины:
""".strip().splitlines()

INSTRUCTIONS = r"""
You are a helpful gardener.
Do not use tools.
No bullet points.
No jargon.
No more than three sentences.
There is no single right answer, so weigh both sides.
None of the ingredients may be left out.
The user has no background in statistics.
Do not give any background information.
Say 'I do not know' if you do not know.
Start with "Here is" and then the list.
End with "I hope this helps!"
Thank the user for the question.
Greet the user with a short hello.
Welcome the user warmly.
Tell me about the Nile.
Feel free to use examples.
Write as if I am a child.
Write in the first person, as in "I will go".
I will give you a text and you will summarise it.
I want you to act as a travel guide.
Ask what the user wants to know before you answer.
The answer is expected in one word.
The answer is a single letter.
Let the reader know what is at stake.
Name the language it is written in.
Name the language it is written in
Explain how to log in
Ask the user which key the song is in.
Say what the tool is used for
Choose one topic to focus on
Explain what to look out for.
Name the people the user works with
Use the tools the user has access to
Answer with yes or no.
Use option A
Explain what vitamin A does.
Begin your answer with the label Result:
Avoid words like "the" and "a".
Give the interval as [0, 1).
Use a list:\n- pots\n- soil
Keep it short, and so on.
Write it the way it is
Sage „Hallo“ und „Danke“
Schreibe freundlich und in kurzen Sätzen.
Γράψε τι σημαίνει η λέξη;
用三句话回答。
请用表格列出优点和缺点
以下是用户的背景：他是初学者。
Hier ist ein ruhiger Ton gefragt.
Claro y conciso, sin rodeos.
Utiliza un tono amable.
हिंदी में संक्षेप में उत्तर दें।
""".strip().splitlines()


@pytest.mark.parametrize("text", NOTHING)
def test_says_nothing(text):
    assert says_nothing(normalized(text))


@pytest.mark.parametrize("text", TO_USER)
def test_speaks_to_the_user(text):
    assert addresses_user(text)


@pytest.mark.parametrize("text", UNFINISHED)
def test_breaks_off(text):
    assert unfinished(text)


@pytest.mark.parametrize("text", [text.replace("\\n", "\n") for text in INSTRUCTIONS])
def test_instructions_are_left_alone(text):
    assert not says_nothing(normalized(text))
    assert not addresses_user(text)
    assert not is_question(text)
    assert not unfinished(text)


def test_questions():
    assert is_question("What is the most challenging part of cooking a dish?")
    assert is_question("How do I grow mint?")
    assert not is_question("Answer the question: How do I grow mint?")
    assert not is_question("Can you explain how mint grows?")
