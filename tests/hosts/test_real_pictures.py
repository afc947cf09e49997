"""Real pictures over the API of a real webui: what changes is seen in them, and nothing stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from running import Webui, started, webuis_of

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN = '''
import base64, hashlib, io, json, urllib.request
from PIL import Image

def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        lp.host().address.rstrip("/") + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=200) as answer:
        return json.loads(answer.read())

def pictures(seed=1):
    wanted = {"prompt": "a cat", "seed": seed, "steps": 3, "width": 64, "height": 64,
              "sampler_name": "Euler", "save_images": False}
    return ask("/sdapi/v1/txt2img", wanted)["images"]

def picture(seed=1):
    """The pixels of a picture, by their digest."""
    images = pictures(seed)
    with Image.open(io.BytesIO(base64.b64decode(images[0].partition(",")[2] or images[0]))) as made:
        assert made.size == (64, 64)
        return hashlib.sha256(made.convert("RGB").tobytes()).hexdigest()
'''
SEED = {"sdnext": "modules.processing_helpers.get_fixed_seed"}
DECODE = {"sdnext": "modules.processing_vae.full_vae_decode"}
HOST_FLAVORS = ("a1111", "forge", "forge-classic", "sdnext")
GIVEN = [given for given in webuis_of(*HOST_FLAVORS) if given.values[0][1] is not None]
NONE = pytest.param(
    None, marks=pytest.mark.skip(reason="LIVEPATCH_A1111 and the like name no real webui")
)


@pytest.fixture(scope="module", params=GIVEN or [NONE])
def webui(request: pytest.FixtureRequest) -> Iterator[Webui]:
    for found in started(request.param, BEGIN):
        api = "getattr(lp.host().app(), 'routes', ())"
        found.wait_until(f"any(route.path == '/sdapi/v1/sd-models' for route in {api})")
        if not found.run("ask('/sdapi/v1/sd-models')"):
            pytest.skip("it has no model")
        found.wait_until("bool(pictures())")  # while SD.Next loads its model there are none
        yield found


@pytest.fixture
def before(webui: Webui) -> Iterator[str]:
    """The digest of the picture, which comes out again; after the test too."""
    webui.run("lp.restore_all()")
    found = webui.run("picture()")
    assert webui.run("picture()") == found
    yield found
    webui.run("lp.restore_all()")
    assert webui.run("picture()") == found


def test_a_replaced_function_is_seen_in_the_next_picture(webui: Webui, before: str) -> None:
    target = SEED.get(webui.flavor, "modules.processing.get_fixed_seed")
    of_another_seed = webui.run("picture(4)")
    assert of_another_seed != before
    webui.run(f"layer = lp.replace({target!r}, 'def get_fixed_seed(seed):\\n    return 4')")
    assert webui.run("picture()") == of_another_seed
    webui.run("layer.off()")
    assert webui.run("picture()") == before
    webui.run("layer.on()")
    assert webui.run("picture()") == of_another_seed
    webui.run("for _ in range(3): lp.undo()")
    assert webui.run("picture()") == before


def test_a_wrapped_function_is_seen_in_the_next_picture(webui: Webui, before: str) -> None:
    target = DECODE.get(webui.flavor, "modules.processing.decode_latent_batch")
    webui.run(
        f"""
        def negative(original, *args, **kwargs):
            pictures = original(*args, **kwargs)
            for picture in pictures:
                picture.neg_()
            return pictures
        lp.wrap({target!r}, negative)
        """
    )
    during = webui.run("picture()")
    assert during != before
    assert webui.run("picture()") == during
    webui.run(f"lp.restore({target!r})")
    assert webui.run("picture()") == before


def test_a_hook_and_a_callback_are_seen_in_the_next_picture(webui: Webui, before: str) -> None:
    webui.run(
        """
        def no_negative_prompt(params):
            params.x = params.x * 0.5
        layer = lp.callbacks()["cfg_denoiser"].add(no_negative_prompt)
        """
    )
    during = webui.run("picture()")
    if webui.flavor != "sdnext":  # its own samplers only; those of diffusers do not ask
        assert during != before
    webui.run("lp.restore_all()")
    assert webui.run("picture()") == before


def test_many_changes_leave_the_picture_as_it_was(webui: Webui, before: str) -> None:
    target = SEED.get(webui.flavor, "modules.processing.get_fixed_seed")
    webui.run(
        f"""
        for number in range(200):
            lp.replace({target!r}, f"def get_fixed_seed(seed):\\n    return {{number}}")
            lp.restore({target!r})
        lp.replace({target!r}, "def get_fixed_seed(seed):\\n    return 4")
        """
    )
    assert webui.run("picture()") == webui.run("picture(4)") != before
    webui.run("lp.restore_all()")
    assert webui.run("picture()") == before
