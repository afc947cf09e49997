"""The times of the start: SD.Next makes an empty record of them when its page is built."""


class Timer:
    def __init__(self):
        self.records = {}

    def reset(self):
        self.__init__()


startup = Timer()
