#!/bin/sh
# A worker that can't start.
echo "no database at db:5432" >&2
exit 3
