"""`fibrostage doctor`."""

from __future__ import annotations

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import print_json, tell
from fibrostage.cli.options import AsJson
from fibrostage.cli.render import show


def doctor(as_json: AsJson = False) -> None:
    """Versions, devices, codecs, extras, weights and disk of this machine, for a bug report."""
    from fibrostage.api.doctor import examine
    from fibrostage.cli.commands import COMMANDS
    from fibrostage.views.doctor import doctor_view

    found = examine([COMMANDS])
    if as_json:
        print_json({"findings": [one.as_dict() for one in found]})
    else:
        show(doctor_view([(one.part, one.name, one.said, one.fine) for one in found]))
    wrong = [one for one in found if not one.fine]
    tell(f"{len(wrong)} things will not do" if wrong else "nothing is amiss; nothing here names you or your machine")


COMMAND = Command("doctor", "Try and measure", doctor)
