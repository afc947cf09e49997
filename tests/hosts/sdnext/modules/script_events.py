"""The events of SD.Next: some more, some fewer than A1111's."""

EVENTS = (
    *("app_started", "before_process", "after_process", "model_loaded", "ui_tabs", "ui_settings"),
    *("before_image_saved", "image_saved", "image_save_btn", "cfg_denoiser", "cfg_denoised"),
    *("cfg_after_cfg", "before_component", "after_component", "image_grid", "infotext_pasted"),
    *("script_unloaded", "before_ui", "after_ui", "on_reload"),
)
