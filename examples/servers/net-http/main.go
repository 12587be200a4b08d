package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	droverworker "github.com/drover/drover/packages/go"
)

var worker = fmt.Sprintf("%d %s", os.Getpid(), os.Getenv("DROVER_GENERATION"))

// echo says back `text`, after `ms` milliseconds.
func echo(response http.ResponseWriter, request *http.Request) {
	ms, _ := strconv.Atoi(request.FormValue("ms"))
	time.Sleep(time.Duration(ms) * time.Millisecond)
	response.Header().Set("X-Worker", worker)
	io.WriteString(response, request.FormValue("text"))
}

func main() {
	http.HandleFunc("/echo", echo)
	// Was: http.ListenAndServe("127.0.0.1:8000", nil)
	if err := droverworker.Serve(&http.Server{Addr: "127.0.0.1:8000"}, "", nil); err != nil {
		log.Fatal(err)
	}
}
