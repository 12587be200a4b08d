"""`jobs.py 200` orders 200 jobs, waits until each is done, and prints how many were done, and how many different ones."""
import sys
import time

from tasks import app, done, job

count = int(sys.argv[1])
for number in range(count):
    job.delay(number)
broker = app.connection_for_read().default_channel.client
marks = []
while len(set(marks)) < count or broker.llen("celery") or broker.hlen("unacked"):
    time.sleep(0.2)
    marks = done.lrange("done", 0, -1)
print(len(marks), len(set(marks)))
