#!/bin/sh
# A worker that never says that it is ready. It ends by itself if nobody ends it.
exec sleep 60
