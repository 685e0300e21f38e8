"""A private place for DVC's site cache, from which DVC unpickles what it finds.

By default it lies in a folder of the machine's temporary files in which every user may write. Another user could leave
a pickle there that runs a program when the owner of the project next calls DVC.
"""

from pathlib import Path

import platformdirs
from configobj import ConfigObj  # DVC's own reader and writer of .dvc/config

LOCAL = Path(".dvc/config.local")  # Git ignores it, as the folder differs from user to user.


def use_private_cache(root: Path) -> None:
    """Have DVC in the project `root` keep its site cache in a folder that only this user can enter.

    A folder that the user has chosen in .dvc/config.local stays. `DVC_SITE_CACHE_DIR` overrules both.
    """
    config = ConfigObj(str(root / LOCAL), encoding="utf-8")
    if "site_cache_dir" in config.get("core", {}):
        return
    folder = Path(platformdirs.user_cache_dir("straightline")) / "dvc"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    config.setdefault("core", {})["site_cache_dir"] = str(folder)
    config.write()


if __name__ == "__main__":
    use_private_cache(Path("."))
