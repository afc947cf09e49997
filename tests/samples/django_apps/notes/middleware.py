"""A middleware of the app's own."""


class Stamp:
    """Marks every answer."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response["X-Notes"] = "1"
        return response

    sync_capable = True
    async_capable = False
