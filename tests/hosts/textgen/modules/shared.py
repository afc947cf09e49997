"""What everything shares; the model and the lock are assigned when they are there."""

from pathlib import Path

args = None
settings = {}
default_settings = {}
user_data_dir = Path("user_data")
model = None
tokenizer = None
model_name = "None"
gradio = {}
generation_lock = None
stop_everything = False
need_restart = False
