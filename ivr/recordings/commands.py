"""`ivr prompts check | build | say`, ready to be wired into the command line.

Law: each returns an exit status (0 done, 1 there are faults) and writes faults to stderr as `file:line: message`;
errors that are not the prompts' fault (a missing program) are raised for the command line to show.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ivr.domain.money import rial
from ivr.domain.reading import Fault, Faults
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.units import Currency
from ivr.recordings.build import build
from ivr.recordings.check import check
from ivr.recordings.say import play, say


def prompts_check(prompts: Path, out: Path, *, stdout: Console | None = None, stderr: Console | None = None) -> int:
    """Report every fault; 1 when there is one."""
    faults = check(prompts, out)
    _report(faults, stderr)
    if not faults:
        _line(stdout or Console(), "prompts: no faults")
    return 1 if faults else 0


def prompts_build(prompts: Path, out: Path, *, stdout: Console | None = None, stderr: Console | None = None) -> int:
    """Build what changed, with a bar on a terminal; 1 when something could not be built."""
    stdout, stderr = stdout or Console(), stderr or Console(stderr=True)
    try:
        catalogue = Catalogue.load(prompts)
    except Faults as exc:
        _report(exc.faults, stderr)
        return 1
    columns = (TextColumn("prompts"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def show(count: int, total: int, name: str) -> None:
            bar.update(task, completed=count, total=total, description=name)

        done = build(catalogue, prompts, out, show)
    _report(done.faults, stderr)
    _line(stdout, f"prompts: {len(done.made)} built, {done.kept} up to date, {len(done.removed)} removed")
    return 1 if done.faults else 0


def prompts_say(
    prompts: Path,
    out: Path,
    amount: str,
    language: str,
    currency: Currency = Currency.RIAL,
    save: Path | None = None,
    *,
    stdout: Console | None = None,
) -> int:
    """Say an amount in rial (`160000`, `۱۶۰٬۰۰۰`): its words, its pieces and the WAV file, played where there is a
    loudspeaker. Builds first what is not built. Raises BadInput for what is no amount or no language of ours."""
    stdout = stdout or Console()
    catalogue, whole = Catalogue.load(prompts), rial(amount)
    build(catalogue, prompts, out)
    file = save or Path(tempfile.mkdtemp(prefix="ivr-say-")) / f"{whole}-{language}-{currency.value}.wav"
    said = say(catalogue, out, whole, language, currency, file)
    _line(stdout, said.text)
    _line(stdout, " ".join(said.pieces))
    _line(stdout, f"{said.file} ({said.seconds:.1f} seconds)")
    play(said)
    return 0


def _report(faults: Iterable[Fault], stderr: Console | None) -> None:
    stderr = stderr or Console(stderr=True)
    for fault in faults:
        _line(stderr, str(fault))


def _line(console: Console, text: str) -> None:
    """Plain text, whatever brackets it holds and however narrow the terminal is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)
