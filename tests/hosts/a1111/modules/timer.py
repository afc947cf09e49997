"""The times of the start: what A1111, and SD.Next, make anew when their page is built."""


class Timer:
    def __init__(self):
        self.records = {}

    def record(self, category):
        self.records[category] = self.records.get(category, 0) + 0.01

    def dump(self):
        return {"total": sum(self.records.values()), "records": self.records}

    def reset(self):
        self.__init__()


startup_timer = startup = Timer()
startup_record = None
