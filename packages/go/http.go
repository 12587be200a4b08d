package droverworker

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// For so long after a stop an open connection may still bring a request, whose answer says that it is the last: a client that is
	// about to send would lose its request if an idle connection were closed at once, as Shutdown does.
	lastRequests = time.Second
	// How often is looked whether the last connections have gone.
	lookAgain = 20 * time.Millisecond
)

// Serve serves HTTP as a worker, on the master's socket of this name, or on the only one if the name is empty. It returns when the master
// has let the worker go; then the process has to end, with 0 if there was no error. Without a master it serves on the server's Addr,
// until SIGINT or SIGTERM.
//
// The worker is ready when the server takes connections. After a stop it takes no more, its answers say "Connection: close", idle
// connections are closed after a second, and requests that are under way are finished. onMessage, which may be nil, takes messages. The
// server is Serve's own from then on: its Handler and ConnState are called as before.
func Serve(server *http.Server, socket string, onMessage OnMessage) error {
	site := &site{server: server}
	site.wrap()
	err := Run(func(worker *Worker) error { return site.serve(worker, socket) }, onMessage)
	if err == nil {
		err = server.Shutdown(context.Background()) // nothing is left to wait for; it calls what RegisterOnShutdown was given
	}
	return err
}

// site is a server with its connections.
type site struct {
	server     *http.Server
	isDraining atomic.Bool
	open       atomic.Int64 // connections
}

func (s *site) wrap() {
	handler, connState := s.server.Handler, s.server.ConnState
	if handler == nil {
		handler = http.DefaultServeMux
	}
	s.server.Handler = http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if s.isDraining.Load() {
			response.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(response, request)
	})
	s.server.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
		if connState != nil {
			connState(conn, state)
		}
	}
}

// serve serves until the master says Stop, and drains.
func (s *site) serve(worker *Worker, socket string) error {
	addr := s.server.Addr
	if addr == "" {
		addr = ":http"
	}
	listener, err := worker.Listener(socket, addr)
	if err != nil {
		return err
	}
	s.isDraining.Store(false)
	s.server.SetKeepAlivesEnabled(true)
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(listener) }()
	worker.Started()
	select {
	case err := <-served:
		return err
	case <-worker.StopRequested():
	}
	s.isDraining.Store(true)
	listener.Close()
	<-served // what was accepted is counted
	// The master has the deadline.
	for begin := time.Now(); s.open.Load() > 0; time.Sleep(lookAgain) {
		if time.Since(begin) > lastRequests {
			s.server.SetKeepAlivesEnabled(false) // closes what is idle
		}
	}
	return nil
}
