"""Takes the generator by a from-import, as the real one does."""

from modules.text_generation import generate_reply


def completions(body):
    *_, text = generate_reply(body["prompt"], {"max_new_tokens": body.get("max_tokens", 16)})
    return {"object": "text_completion", "choices": [{"index": 0, "text": text}]}
