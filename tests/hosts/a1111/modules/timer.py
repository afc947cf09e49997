"""The times of the start: what A1111 makes anew when its page is built."""


class Timer:
    def __init__(self):
        self.records = {}

    def record(self, category):
        self.records[category] = self.records.get(category, 0) + 0.01

    def dump(self):
        return {"total": sum(self.records.values()), "records": self.records}


startup_timer = Timer()
startup_record = None
