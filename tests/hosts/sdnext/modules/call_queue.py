"""One generation at a time, behind an ordinary lock."""

import threading

queue_lock = threading.Lock()
