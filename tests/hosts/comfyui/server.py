"""The server: prompts come in over HTTP and wait in a queue."""

import uuid

import execution
import nodes
from aiohttp import web


class PromptServer:
    instance = None

    def __init__(self, loop):
        PromptServer.instance = self
        self.loop = loop
        self.routes = web.RouteTableDef()
        self.app = web.Application()
        self.prompt_queue = execution.PromptQueue(self)
        self.on_prompt_handlers = []
        self.number = 0
        self.client_id = None

        @self.routes.post("/prompt")
        async def post_prompt(request):
            body = self.trigger_on_prompt(await request.json())
            prompt_id = str(uuid.uuid4())
            self.prompt_queue.put((self.number, prompt_id, body["prompt"], {}, []))
            self.number += 1
            return web.json_response({"prompt_id": prompt_id, "number": self.number})

        @self.routes.get("/history/{prompt_id}")
        async def get_history(request):
            prompt_id = request.match_info["prompt_id"]
            known = self.prompt_queue.history.get(prompt_id)
            return web.json_response({prompt_id: known} if known else {})

        @self.routes.get("/queue")
        async def get_queue(request):
            queue = self.prompt_queue
            return web.json_response(
                {
                    "queue_running": list(queue.currently_running.values()),
                    "queue_pending": queue.queue,
                }
            )

        @self.routes.post("/interrupt")
        async def post_interrupt(request):
            nodes.interrupt_processing()
            return web.Response(status=200)

    def add_routes(self):
        below_api = web.RouteTableDef()
        for route in self.routes:
            if isinstance(route, web.RouteDef):
                below_api.route(route.method, "/api" + route.path)(route.handler, **route.kwargs)
        self.app.add_routes(below_api)
        self.app.add_routes(self.routes)

    def add_on_prompt_handler(self, handler):
        self.on_prompt_handlers.append(handler)

    def trigger_on_prompt(self, json_data):
        for handler in self.on_prompt_handlers:
            json_data = handler(json_data)
        return json_data

    async def start(self, address, port):
        runner = web.AppRunner(self.app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, address, port)
        await site.start()
        self.address = address
        self.port = site._server.sockets[0].getsockname()[1]
