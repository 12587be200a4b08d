// HTTP as a worker: `/` says who answers, `/echo?text=hello&ms=200` answers the text after that time. Messages are answered too, see
// README.md.
package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	droverworker "github.com/drover/drover/packages/go"
	"github.com/drover/drover/packages/go/pb"
)

var who = fmt.Sprintf("%d %s", os.Getpid(), generation())

func main() {
	server := &http.Server{Addr: "127.0.0.1:8093", Handler: http.HandlerFunc(handle)}
	if err := droverworker.Serve(server, "http", answer); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func handle(response http.ResponseWriter, request *http.Request) {
	response.Header().Set("X-Worker", who)
	if request.URL.Path != "/echo" {
		fmt.Fprintf(response, "hello from go worker %s, pid %d\n", os.Getenv("DROVER_SLOT"), os.Getpid())
		return
	}
	ms, _ := strconv.Atoi(request.URL.Query().Get("ms"))
	time.Sleep(time.Duration(ms) * time.Millisecond)
	io.WriteString(response, request.URL.Query().Get("text"))
}

// answer is the reply to a request, or its error.
func answer(worker *droverworker.Worker, message *pb.Message) ([]byte, error) {
	topic := string(message.Payload)
	switch message.Topic {
	case "drover.conform.echo":
		return message.Payload, nil
	case "drover.conform.fail":
		return nil, errors.New("as was asked for")
	case "drover.conform.send":
		return nil, worker.Send(&pb.Message{Topic: topic, Scope: pb.Scope_SCOPE_APP})
	case "drover.conform.subscribe":
		return nil, worker.Subscribe(topic)
	case "drover.conform.ask":
		answer, err := worker.Request(&pb.Message{Topic: topic, Scope: pb.Scope_SCOPE_APP})
		var refused *droverworker.BusError
		if errors.As(err, &refused) {
			return []byte(refused.Message), nil
		}
		return answer, err
	}
	fmt.Printf("message %s from %d: %d bytes\n", message.Topic, message.Worker, len(message.Payload))
	return nil, &droverworker.BusError{Code: pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, Message: "nobody here answers " + message.Topic}
}

func generation() string {
	if generation := os.Getenv("DROVER_GENERATION"); generation != "" {
		return generation
	}
	return "0"
}
