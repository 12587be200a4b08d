# Clients that ask for one page after the other, each time with a new connection, and never try again. Read by bash.

# ask HOST PATH: whether a whole answer came
ask() {
    local answer
    {
        exec 3<>"/dev/tcp/$1/8080" || return 1
        printf 'GET %s HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n' "$2" >&3
        # It ends with the connection.
        IFS= read -r -d '' -t 30 answer <&3 || true
        exec 3>&-
    } 2>/dev/null
    [[ $answer == "HTTP/1.1 200"*$'\r\n\r\n'worker*$'\n' ]]
}

# client HOST PATH COUNTS [SECONDS]: until it is killed, or there is a file COUNTS.enough; it remembers an address for so long
client() {
    local count=0 lost=0 addr=$1 until=0
    while [[ ! -e ${3%.*}.enough ]]; do
        # A service by the addresses of its tasks, in an order that changes: the first, as most clients take it.
        if [[ $1 == tasks.* ]] && ((SECONDS >= until)); then
            addr=$(nslookup -type=a "$1" 127.0.0.11 | awk '/^Address/ && !/:53$/ { print $2; exit }')
            until=$((SECONDS + ${4:-0}))
        fi
        count=$((count + 1))
        ask "$addr" "$2" || lost=$((lost + 1))
        echo "$count $lost" >>"$3"
    done
}

# counted COUNTS…: how many requests there were, and how many were lost
counted() {
    awk '{ count[FILENAME] = $1; lost[FILENAME] = $2 } END { for (file in count) { all += count[file]; gone += lost[file] } print all, gone }' "$@"
}
