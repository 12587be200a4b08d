// HTTP as a worker: `/` says who answers, `/echo?text=hello&ms=200` answers the text after that time. Messages are answered too, see
// README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"drover/pb"
)

// For so long after a stop an open connection may still bring a request, whose answer says that it is the last: a client that is about
// to send would lose its request if an idle connection were closed at once, as Shutdown does.
const lastRequests = time.Second

var who = fmt.Sprintf("%d %s", os.Getpid(), generation())

func main() {
	if err := Serve(once, answer); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// once serves until the master says Stop, and drains.
func once(worker *Worker) error {
	listener, err := worker.Listener("http", "127.0.0.1:8093")
	if err != nil {
		return err
	}
	var isDraining atomic.Bool
	var open sync.WaitGroup // connections
	server := &http.Server{
		Handler: http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
			if isDraining.Load() {
				response.Header().Set("Connection", "close")
			}
			response.Header().Set("X-Worker", who)
			handle(response, request)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Done()
			}
		},
	}
	served := make(chan struct{})
	go func() {
		server.Serve(listener)
		close(served)
	}()
	worker.Started()
	<-worker.StopRequested()
	isDraining.Store(true)
	listener.Close()
	<-served // what was accepted is counted
	drained := make(chan struct{})
	go func() {
		open.Wait()
		close(drained)
	}()
	select {
	case <-drained:
		return nil
	case <-time.After(lastRequests):
		return server.Shutdown(context.Background()) // closes what is idle, and waits for the rest; the master has the deadline
	}
}

func handle(response http.ResponseWriter, request *http.Request) {
	if request.URL.Path != "/echo" {
		fmt.Fprintf(response, "hello from go worker %s, pid %d\n", os.Getenv("DROVER_SLOT"), os.Getpid())
		return
	}
	ms, _ := strconv.Atoi(request.URL.Query().Get("ms"))
	time.Sleep(time.Duration(ms) * time.Millisecond)
	io.WriteString(response, request.URL.Query().Get("text"))
}

// answer is the reply to a request, or its error.
func answer(worker *Worker, message *pb.Message) ([]byte, error) {
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
		var refused *BusError
		if errors.As(err, &refused) {
			return []byte(refused.Message), nil
		}
		return answer, err
	}
	fmt.Printf("message %s from %d: %d bytes\n", message.Topic, message.Worker, len(message.Payload))
	return nil, &BusError{pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, "nobody here answers " + message.Topic}
}

func generation() string {
	if generation := os.Getenv("DROVER_GENERATION"); generation != "" {
		return generation
	}
	return "0"
}
