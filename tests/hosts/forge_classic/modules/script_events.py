"""The events of the older fork: A1111's."""

EVENTS = (
    *("app_started", "model_loaded", "ui_tabs", "ui_train_tabs", "ui_settings"),
    *("before_image_saved", "image_saved", "extra_noise", "cfg_denoiser", "cfg_denoised"),
    *("cfg_after_cfg", "before_component", "after_component", "image_grid", "infotext_pasted"),
    *("script_unloaded", "before_ui", "on_reload", "list_optimizers", "list_unets"),
    "before_token_counter",
)
