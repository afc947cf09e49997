"""The HTTP interface: generate, complete, health, reload."""

from __future__ import annotations

import base64
import time
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from . import __version__, extensions, shared
from .processing import MAX_SEED, Processing
from .scripts import reload_scripts
from .text import complete
from .worker import generate_queued, generation_queue


class GenerateRequest(BaseModel):
    """The body of ``POST /api/generate``."""

    prompt: str = Field(min_length=1, max_length=2000)
    steps: int = Field(default=20, ge=1, le=150)
    seed: int = Field(default=-1, ge=-1, le=MAX_SEED)
    width: int = Field(default=512, ge=64, le=1024)
    height: int = Field(default=512, ge=64, le=1024)


class CompleteRequest(BaseModel):
    """The body of ``POST /api/complete``."""

    prompt: str = Field(default="", max_length=20000)
    max_tokens: int = Field(default=60, ge=1, le=1000)
    seed: int = 0


def api_generate(request: GenerateRequest) -> dict[str, Any]:
    """Make a picture; the answer holds it as a PNG in base64."""
    began = time.perf_counter()
    try:
        result = generate_queued(Processing(**request.model_dump()))
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    return {
        "image": base64.b64encode(result.png).decode("ascii"),
        "info": result.info,
        "seed": result.seed,
        "steps": request.steps,
        "seconds": round(time.perf_counter() - began, 4),
    }


def api_complete(request: CompleteRequest) -> dict[str, str]:
    """Go on with a text."""
    return {"text": complete(request.prompt, request.max_tokens, request.seed)}


def api_health() -> dict[str, Any]:
    """What the webui is doing."""
    return {
        "status": "ok",
        "version": __version__,
        "doing": shared.state.status,
        "generated": shared.state.generated,
        "extensions": [extension.name for extension in extensions.active()],
        "problems": shared.state.problems,
    }


def api_reload_scripts() -> dict[str, Any]:
    """Load the scripts of the extensions anew, between two generations."""
    generation_queue.submit("reload scripts", reload_scripts).result()
    return api_health()


def add_routes(app: FastAPI) -> None:
    """Put the routes on the app."""
    app.add_api_route("/api/generate", api_generate, methods=["POST"])
    app.add_api_route("/api/complete", api_complete, methods=["POST"])
    app.add_api_route("/api/health", api_health, methods=["GET"])
    app.add_api_route("/api/reload-scripts", api_reload_scripts, methods=["POST"])
