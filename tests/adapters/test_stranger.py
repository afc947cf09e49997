"""A webui of somebody else's, whose adapter is one file of another package: docs/hosts.md's own."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest
from plugin_support import install, run, seen_by

if TYPE_CHECKING:
    from pathlib import Path

REGISTRY = """
ovens = {"morning": [], "evening": []}  # what is called, by event
recipes = {}                            # classes that may have a method glaze
extras = {}
folder = None
"""
SHOP = """
import importlib.util

from . import registry


def knead(dough):
    return f"kneaded {dough}"


def bake(dough):
    return f"baked {dough}"


class Rye:
    def glaze(self, loaf):
        return f"glazed {loaf}"


def sell(dough):
    for call in [*registry.ovens["morning"]]:
        dough = call(dough)
    for recipe in registry.recipes.values():
        dough = recipe().glaze(dough)
    return bake(dough)


def open_shop(folder):
    registry.folder = folder
    registry.ovens["morning"].append(knead)
    registry.recipes["rye"] = Rye
    for extra in sorted(folder.iterdir()):
        if extra.suffix != ".off":
            spec = importlib.util.spec_from_file_location(extra.name, extra / "extra.py")
            module = registry.extras[extra.name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)


def close_shop():
    for extra in registry.extras.values():
        extra.close()
"""
LIVE = """
import json, pathlib, sys
from bakery import shop
import livepatch as lp

folder = pathlib.Path(sys.argv[1])
(folder / "extras").mkdir()
shop.open_shop(folder / "extras")
seen = {"flavor": lp.host().flavor, "version": lp.host().version, "own": shop.sell("rye"),
        "supports": sorted(lp.host().supports & {
            "callbacks", "hooks", "extensions", "timing", "export", "routes", "events"})}

def salt(dough):
    return f"salted {dough}"

lp.callbacks()["morning"].mute("knead")
lp.callbacks()["morning"].add(salt)
seen["callbacks"] = shop.sell("rye")
lp.hooks().replace("glaze/rye", lambda self, loaf: f"frosted {loaf}")
lp.replace("bakery.shop.bake", "def bake(dough):\\n    return f'burnt {dough}'")
seen["live"] = shop.sell("rye")
seen["told"] = str(lp.export(folder, name="festive"))
lp.restore_all()
seen["restored"] = shop.sell("rye")
lp.extensions().load(folder / "festive")
seen["loaded"] = [shop.sell("rye"), [extension.name for extension in lp.extensions()]]
lp.extensions().reload("festive")
seen["reloaded"] = shop.sell("rye")
lp.extensions().unload("festive")
seen["unloaded"] = [shop.sell("rye"), len(lp.extensions())]
print(json.dumps(seen))
"""
FRESH = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[2])
from bakery import shop
try:
    import livepatch
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("livepatch is here")
shop.open_shop(pathlib.Path(sys.argv[1]))
seen = {"open": shop.sell("rye")}
shop.close_shop()
seen["closed"] = shop.sell("rye")
print(json.dumps(seen))
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Where the bakery and the adapter of the manual are installed."""
    site = tmp_path / "site"
    install(site, "hosts.md", "class BakeryHost")
    (site / "bakery").mkdir()
    (site / "bakery" / "__init__.py").write_text('__version__ = "3.1"\n')
    (site / "bakery" / "registry.py").write_text(REGISTRY)
    (site / "bakery" / "shop.py").write_text(SHOP)
    return site


def test_one_file_gives_callbacks_hooks_extensions_and_export(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "live.py"  # what stands in no file has no source to export
    file.write_text(LIVE)
    seen = seen_by(run(site, str(file), str(tmp_path)))
    own, live = "baked glazed kneaded rye", "burnt frosted salted rye"
    told = seen.pop("told")
    assert seen == {
        "flavor": "bakery",
        "version": "3.1",
        "supports": ["callbacks", "export", "extensions", "hooks", "timing"],
        "own": own,
        "callbacks": "baked glazed salted rye",
        "live": live,
        "restored": own,
        "loaded": [live, ["festive"]],
        "reloaded": live,
        "unloaded": [own, 0],
    }
    assert "exported festive for bakery" in told
    assert "applied 4 and took them back in a clean process" in told
    assert "left out" not in told

    extras = tmp_path / "extras"
    (tmp_path / "festive").rename(extras / "festive")
    fresh = (*("-c", FRESH), str(extras), str(site))
    assert seen_by(run(site, *fresh, isolated=True)) == {"open": live, "closed": own}
    (extras / "festive").rename(extras / "festive.off")
    assert seen_by(run(site, *fresh, isolated=True)) == {"open": own, "closed": own}


def test_it_is_installed_into_and_told_where_nothing_of_it_runs(site: Path, tmp_path: Path) -> None:
    (tmp_path / "shop" / "extras").mkdir(parents=True)
    (tmp_path / "shop" / "opening_hours.txt").touch()
    done = run(site, "-m", "livepatch", "install", str(tmp_path / "shop"))
    extra = tmp_path / "shop" / "extras" / "livepatch"
    assert done.stdout.startswith(f"installed into {extra} (bakery); from its next start: shop")
    assert 'attach_at_start("shop", __file__)' in (extra / "extra.py").read_text()
    assert run(site, "-m", "livepatch", "uninstall", str(tmp_path / "shop")).returncode == 0
    assert not extra.exists()
    done = run(site, "-m", "livepatch", "install", str(tmp_path))
    assert "(known: bakery, sdnext, " in done.stderr


def test_an_export_that_needs_more_of_the_adapter_than_it_may_is_refused(
    site: Path, tmp_path: Path
) -> None:
    file = site / "bakery_livepatch.py"
    needs = '"""What exports carry of this file: they run where livepatch is not installed."""'
    text = file.read_text().replace(needs, f"{needs}\n\n    store = ListStore")
    file.write_text(text)
    program = """
        import sys
        from bakery import shop
        import livepatch as lp
        lp.replace("bakery.shop.bake", "def bake(dough):\\n    return dough")
        try:
            lp.export(sys.argv[1], name="festive")
        except lp.ExportRefused as refused:
            print(refused)
    """
    done = run(site, "-c", textwrap.dedent(program), str(tmp_path))
    assert "No module named 'livepatch'" in done.stdout.splitlines()[1], done.stderr
    assert not (tmp_path / "festive").exists()


HELPED = """
import sys


def ovens():
    return getattr(sys.modules.get("bakery.registry"), "ovens", {})
"""


@pytest.mark.parametrize("home", ["bakery_adapters/bakery.py", "bakery_adapters/__init__.py"])
def test_an_adapter_in_a_package_with_what_its_neighbour_has(
    site: Path, tmp_path: Path, home: str
) -> None:
    text = (site / "bakery_livepatch.py").read_text()
    needs = 'return (attribute_of("bakery.registry", "ovens") or {}).get(event)'
    assert needs in text
    text = text.replace(needs, "return ovens().get(event)")
    text = text.replace(
        "from livepatch.adapters", "from .looking import ovens\nfrom livepatch.adapters", 1
    )
    (site / "bakery_livepatch.py").unlink()
    package = site / "bakery_adapters"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "looking.py").write_text(HELPED)
    (site / home).write_text(text)
    module = home.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    (entry_points,) = site.glob("*.dist-info/entry_points.txt")
    entry_points.write_text(f"[livepatch.hosts]\nbakery = {module}:BakeryHost\n")
    file = tmp_path / "live.py"
    file.write_text(LIVE)
    seen = seen_by(run(site, str(file), str(tmp_path)))
    assert seen["loaded"] == ["burnt frosted salted rye", ["festive"]]
    assert "left out" not in seen["told"]
    carried = (tmp_path / "festive" / "festive_changes" / "_livepatch" / "webuis").iterdir()
    assert sorted(one.name for one in carried) == sorted(
        ["__init__.py", "looking.py", f"{module.rpartition('.')[2]}.py"]
    )


OF_0_1 = """
from livepatch.hosts.base import WEBUI, Host, attribute_of
from livepatch.registries.store import ListStore


class BakeryHost(Host):
    flavor = "bakery"
    specificity = WEBUI
    offers = frozenset({"callbacks"})

    @classmethod
    def is_detected(cls):
        return attribute_of("bakery.registry", "ovens") is not None

    def callback_stores(self):
        ovens = attribute_of("bakery.registry", "ovens")
        return [ListStore(name, f"callbacks of {name}", ovens, name) for name in ovens]
"""
USES_IT = """
from bakery import shop
import livepatch as lp

shop.registry.ovens["morning"].append(shop.knead)
print(lp.host().flavor, "callbacks" in lp.host().supports)
lp.callbacks()["morning"].mute("knead")
print(shop.sell("rye"))
lp.restore_all()
print(shop.sell("rye"))
"""


def test_the_adapter_of_the_first_manual_still_works(site: Path) -> None:
    """0.1's own example, letter by letter."""
    (site / "bakery_livepatch.py").write_text(OF_0_1)
    done = run(site, "-c", USES_IT)
    assert done.stdout.splitlines() == [
        "bakery True",
        "baked rye",
        "baked kneaded rye",
    ], done.stderr
