"""What mkdocs is told beyond its file: the front page is the README, the reference is made from the code."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

FOLDERS = {"Decisions": "decisions", "Notes": "notes"}
WORDS = {
    "decisions": "Why simcore is built as it is, one page for each decision.",
    "notes": "Laboratory notes: what was tried and what it gave. The pages of *Explanation* say what holds.",
}


@cache
def generated() -> dict[str, str]:
    """path below docs/ -> Markdown, of every page that no file holds."""
    from docs.hooks import functions, keys, verbs

    files = dict(keys.pages())
    made = {f"reference/files/{kind}.md": text for kind, text in files.items()}
    made["reference/commands.md"] = verbs.page()
    made["reference/python.md"] = functions.page()
    made["reference/index.md"] = (
        "# Reference\n\nMade from the code at every build, so it says what the program does.\n\n"
        "- [Commands](commands.md): every verb and option.\n- [Python](python.md): public functions.\n"
        "- [Changes](../changelog.md): releases, and every prediction that moved.\n- Files, every key of each: "
        + ", ".join(f"[{kind}](files/{kind}.md)" for kind in files)
        + ".\n"
    )
    made["index.md"] = "---\nhide: [navigation]\n---\n" + front((ROOT / "README.md").read_text(encoding="utf-8"))
    made["changelog.md"] = front((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    for folder, says in WORDS.items():
        pages = sorted((ROOT / "docs" / folder).glob("*.md"))
        rows = "\n".join(f"- [{heading(page)}]({page.name})" for page in pages)
        made[f"{folder}/index.md"] = f"# {folder.capitalize()}\n\n{says}\n\n{rows}\n"
    return made


def front(text: str) -> str:
    """A page of the root with its links as seen from docs/."""
    return re.sub(r"\]\(docs/", "](", text).replace("](CHANGELOG.md)", "](changelog.md)")


def heading(page: Path) -> str:
    """The first heading."""
    first = next(line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("# "))
    return first.removeprefix("# ")


def on_config(config: Any) -> Any:
    """The parts of the navigation that follow from folders."""
    from docs.hooks import keys

    kinds = [*keys.specs(), *keys.forms()]
    for section in config.nav:
        (title, inside), *_ = section.items()
        if title in FOLDERS:
            folder = FOLDERS[title]
            names = sorted(p.name for p in (ROOT / "docs" / folder).glob("*.md"))
            section[title] = [f"{folder}/index.md", *(f"{folder}/{name}" for name in names)]
        if title == "Reference":
            inside.insert(2, {"Files": [{kind.capitalize(): f"reference/files/{kind}.md"} for kind in kinds]})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add what is made."""
    from mkdocs.structure.files import File

    for path, text in generated().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """A link to a folder is one to its first page."""
    return re.sub(r"(\]\([\w./-]*/)\)", r"\1index.md)", markdown)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """The search dialog has a name for who cannot see it."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )
