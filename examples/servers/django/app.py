import asyncio
import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path

WORKER = f"{os.getpid()} {os.environ['DROVER_GENERATION']}"

# What a project has in its settings.py.
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of an example")


async def echo(request):
    """Says back `text`, after `ms` milliseconds."""
    await asyncio.sleep(int(request.GET.get("ms", 0)) / 1000)
    answer = HttpResponse(request.GET.get("text", "hello"), content_type="text/plain")
    answer["X-Worker"] = WORKER
    answer["Content-Length"] = len(answer.content)
    return answer


urlpatterns = [path("echo", echo)]
application = get_asgi_application()
