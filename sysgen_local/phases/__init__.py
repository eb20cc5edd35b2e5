"""The five phases, one module each, in this order: generate, filter, verify, respond, check.

A further phase has these parts: its record and its name in `core/records.py` (`PHASES`, `TABLES`),
a module here with the stage (see `running/stage.py`), its prompt in `prompts/`, its table in
`store/migrations.py` and its columns in `store/views.py`, its plan in `workflows/plan.py`, and a
command in `cli/run.py`. CONTRIBUTING.md goes through them.
"""
