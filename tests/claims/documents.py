"""Extract the code blocks of the README and the documents, and the commands inside them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from claims.checkout import ROOT

CODE = ("python", "bash")
OTHER = ("xml", "json", "toml", "console", "text")  # shown, not run
MARK = re.compile(r"^<!-- needs: (.+) -->$")
PROGRAMS = ("rtseg", "python", "make", "pip", "cmake")
_FENCE = re.compile(r"^ *```(\w*)$")
_INDENTED = re.compile(rf"^    (?:{'|'.join(PROGRAMS)}|cd) \S")


@dataclass(frozen=True)
class CodeBlock:
    """Holds a fenced block, or an indented one that begins with a command."""

    path: Path  # of the page
    line: int  # of the fence, from 1
    language: str
    text: str
    needs: tuple[str, ...] = ()  # devices or servers that a mark above the block names
    before: str = ""  # the last line of text above it

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def documents() -> list[Path]:
    """Return the pages whose code is run, relative to the checkout."""
    found = [Path("README.md"), Path("CONTRIBUTING.md"), Path("kernels/README.md")]
    return found + [path.relative_to(ROOT) for folder in ("docs", "engines/zoo") for path in (ROOT / folder).rglob("*.md")]


def blocks(path: Path, text: str) -> list[CodeBlock]:
    """Return the blocks of a page in order."""
    lines, found, at, before = text.splitlines(), [], 0, ""
    while at < len(lines):
        fence, start = _FENCE.match(lines[at]), at
        if fence:
            at = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
            found.append(CodeBlock(path, start + 1, fence[1], "\n".join(lines[start + 1 : at]) + "\n", _needs(before), before))
        elif _INDENTED.match(lines[at]) and not lines[at - 1].strip():
            while at + 1 < len(lines) and lines[at + 1].startswith("    "):
                at += 1
            inside = [line.strip() for line in lines[start : at + 1]]
            found.append(CodeBlock(path, start + 1, "bash", "\n".join(inside) + "\n", _needs(before), before))
        before = lines[at] if lines[at].strip() else before
        at += 1
    return found


def commands(text: str) -> list[list[str]]:
    """Return the commands of a shell block, without prompts, comments, and settings of the environment."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s&&\s|\s{3,}(?=rtseg )", line.removeprefix("$ ")):
            words = shlex.split(part, comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if words:
                found.append([Path(words[0]).name if words[0].startswith(".venv/") else words[0], *words[1:]])
    return found


def calls(text: str) -> list[str]:
    """Return the spans of `code` that call a class or function by keyword."""
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"(?<!`)`((?:rtseg\.)?[A-Z]\w+\([^`\n]*\w=[^`\n]*\))`", prose)


def _needs(line: str) -> tuple[str, ...]:
    mark = MARK.match(line)
    return tuple(name.strip() for name in mark[1].split(",")) if mark else ()
