"""`fibrostage annotate`: the page on which people read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import err, out, tell
from fibrostage.ground.errors import RunError

NEEDS = "the page needs more packages: install fibrostage with its extra [annotate]"


def annotate(
    folder: Annotated[Path, typer.Argument(metavar="LOOP", help="A loop's folder.")],
    host: Annotated[str, typer.Option(help="Where to listen; others than this computer need TLS.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8470,
    cert: Annotated[Path | None, typer.Option(metavar="PEM", help="A certificate, with --key.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    behind_proxy: Annotated[bool, typer.Option(help="A proxy before the server encrypts.")] = False,
    add_reader: Annotated[
        str | None, typer.Option("--add-reader", metavar="NAME", help="Print a one-time link for NAME, and stop.")
    ] = None,
    role: Annotated[str, typer.Option(help="Of --add-reader: reader, adjudicator or lead.")] = "reader",
    url: Annotated[
        str | None, typer.Option("--ledger", metavar="URL", help="Where the ledger is in PostgreSQL.")
    ] = None,
) -> None:
    """Open a loop's page: readers read, an adjudicator settles, the lead watches.

    \f
    Raises `RunError` where the folder is no loop's, the extra is not installed, or it would be open to eavesdroppers.
    """
    from fibrostage.results.run_folder import RunFolder

    try:
        from fibrostage.annotate.accounts import Accounts
        from fibrostage.annotate.serve import serve
    except ImportError as error:
        raise RunError(f"{NEEDS} ({error.name} is missing)") from None
    if not RunFolder(folder).loop_file.is_file():
        raise RunError(f"{folder} is no loop; begin one with 'fibrostage loop new'")
    scheme = "https" if cert is not None or behind_proxy else "http"
    if add_reader is not None:
        accounts = Accounts(folder)
        out.print(f"{scheme}://{host}:{port}/join/{accounts.invite(add_reader, role)}", markup=False, soft_wrap=True)
        accounts.close()
        tell(f"for {add_reader} alone, once, within three days; the page must be open: fibrostage annotate {folder}")
        return
    err.print(f"the page is open at {scheme}://{host}:{port} (Ctrl-C ends it)", markup=False, soft_wrap=True)
    serve(folder, host, port, cert, key, behind_proxy, url)


COMMAND = Command("annotate", "Ask and label", annotate)
