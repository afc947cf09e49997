"""The kinds of callbacks and wrappers that a loaded model has."""


class CallbacksMP:
    ON_CLONE = "on_clone"
    ON_LOAD = "on_load_after"
    ON_PRE_RUN = "on_pre_run"
    ON_CLEANUP = "on_cleanup"


class WrappersMP:
    OUTER_SAMPLE = "outer_sample"
    PREDICT_NOISE = "predict_noise"
    APPLY_MODEL = "apply_model"
    DIFFUSION_MODEL = "diffusion_model"
