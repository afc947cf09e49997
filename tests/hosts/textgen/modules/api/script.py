"""The API: a FastAPI app, served by the thread that calls `setup`."""

import uvicorn
from fastapi import FastAPI

from modules.api.completions import completions

app = FastAPI()


@app.post("/v1/completions")
def openai_completions(body: dict):
    return completions(body)


def setup():
    uvicorn.run(app, host="127.0.0.1", port=0, log_level="error")
