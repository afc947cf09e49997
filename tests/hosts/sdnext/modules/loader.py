"""What loads the libraries; only SD.Next has it."""

initialized = True
