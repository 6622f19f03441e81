import io

from rich.console import Console

from clearfundus.interfaces.progress import show_progress


def shown(*, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with show_progress(2, console=console) as report:
        report("done a[bold].jpg -> a:cat:.png")
        report("failed b.jpg: " + 100 * "x", notable=True)
    return console.file.getvalue()


def test_a_log_gets_one_unbroken_plain_line_an_item() -> None:
    assert shown(terminal=False) == f"[1/2] done a[bold].jpg -> a:cat:.png\n[2/2] failed b.jpg: {100 * 'x'}\n"


def test_a_terminal_gets_a_bar_and_keeps_the_notable_lines_only() -> None:
    text = shown(terminal=True)
    assert "failed b.jpg" in text
    assert "done a[bold].jpg" not in text
    assert "2/2" in text
