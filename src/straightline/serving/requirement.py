"""How a saved model or a project names this package, so that pip can install the same code elsewhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from straightline.serving.wheel import PACKAGE, WHEELS, Wheel, package_wheel


@dataclass(frozen=True)
class Requirement:
    """Lines of a requirements.txt, and the wheel that has to lie in the folder `wheels` beside it, if one does."""

    lines: tuple[str, ...]
    wheel: Wheel | None = None

    def write_wheel(self, folder: Path) -> None:
        """Write the wheel into `folder`/wheels if there is one; `folder` is that of the requirements.txt."""
        if self.wheel is not None:
            self.wheel.write(folder / WHEELS)


def requirement(extra: str, is_git_there: bool) -> Requirement:
    """Return the requirement of this package with `extra`, for a place that has git or not.

    Where the package was installed from a public place, the requirement names that place. Otherwise, as with a clone or
    the file of a wheel, which other machines do not have, it brings a wheel of the code along.
    """
    installed = distribution(PACKAGE)
    named = public_requirement(extra, installed.version, _origin(installed))
    if named is not None and (is_git_there or "git+" not in named):
        return Requirement((named,))
    wheel = package_wheel()
    # pip and uv look for the folder beside requirements.txt, whatever the current folder is.
    return Requirement((f"--find-links {WHEELS}", f"{PACKAGE}[{extra}]=={wheel.version}"), wheel)


def _origin(installed: Distribution) -> dict[str, Any] | None:
    """Return what is recorded about the place that the package came from, or None if it came from an index."""
    if installed.read_text("METADATA") is None:
        return {"url": "file:", "dir_info": {}}  # a clone that is only built, with its *.egg-info
    recorded = installed.read_text("direct_url.json")
    return None if recorded is None else json.loads(recorded)


def public_requirement(extra: str, version: str, origin: Mapping[str, Any] | None) -> str | None:
    """Return the requirement that names where `version` came from, or None if others cannot reach that place.

    `origin` is the content of direct_url.json (PEP 610), which pip and uv write for all that is from no index.
    """
    name = f"{PACKAGE}[{extra}]"
    if origin is None:
        return None if "+" in version else f"{name}=={version}"  # No index has versions with a local part.
    url = urlsplit(origin["url"])
    if url.scheme not in ("https", "http", "ssh"):
        return None
    if url.scheme != "ssh" or url.password is not None:  # A user without a password may be a token, but not with ssh.
        url = url._replace(netloc=url.netloc.rpartition("@")[2])
    folder = f"#subdirectory={origin['subdirectory']}" if "subdirectory" in origin else ""
    if "vcs_info" in origin:
        source = origin["vcs_info"]
        return f"{name} @ {source['vcs']}+{urlunsplit(url)}@{source['commit_id']}{folder}"
    return f"{name} @ {urlunsplit(url)}{folder}"
