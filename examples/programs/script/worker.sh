#!/bin/sh
# Works step by step; at SIGTERM it finishes the step that it is at, and leaves.
is_over=
trap 'is_over=1' TERM

if [ -e mistake ]; then
    echo "the configuration has a mistake" >&2
    exit 78
fi

sleep 100000 3>&- & # what is still there when the script has exited gets the signal too

echo >&3
exec 3>&-
while [ -z "$is_over" ]; do
    echo "a step begins"
    sleep 0.3
    echo "a step ends"
done
echo "leaves in order"
