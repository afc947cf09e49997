"""Draws the page: that is when scripts get their places among the values of all controls."""

from modules import scripts, shared


def create_ui():
    pages = {}
    runners = (scripts.scripts_txt2img, scripts.scripts_img2img, scripts.scripts_control)
    for runner in runners:
        runner.initialize_scripts(runner is scripts.scripts_img2img)
        pages[runner] = runner.setup_ui()
    shared.page = pages[scripts.scripts_txt2img]
