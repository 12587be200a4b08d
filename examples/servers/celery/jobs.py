"""Orders jobs until its standard input ends, waits until each is done, and prints how many there were, how many were done, and how many
different ones."""
import select
import sys
import time

from tasks import app, done, job

count = 0
while not select.select([sys.stdin], [], [], 0.02)[0]:
    job.delay(count)
    count += 1
broker = app.connection_for_read().default_channel.client
marks = []
while len(set(marks)) < count or broker.llen("celery") or broker.hlen("unacked"):
    time.sleep(0.2)
    marks = done.lrange("done", 0, -1)
print(count, len(marks), len(set(marks)))
