// Package droverworker makes a program a worker of a Drover master: it takes over the master's sockets, is ready when it says so, and is
// replaced without losing a request. Serve is all that an HTTP server needs; Run is for everything else.
//
//	starting ──Started──► started ──Stop──► stopping ──► stopped ──Quit──► leaving ──► exit
//	                         ▲──── Started ◄── Resume ─────┘
package droverworker

import (
	"bufio"
	"net"
	"sync"
	"time"

	"github.com/drover/drover/packages/go/pb"
)

// Version is that of this module, which is that of Drover.
const Version = "0.1.0"

// Worker is the connection to the master. Without DROVER_SOCKET it runs alone, and SIGINT or SIGTERM stop it.
type Worker struct {
	Identity  *pb.Identity // who this worker is; nil without a master
	limits    *pb.Limits
	hasBus    bool
	onMessage OnMessage

	conn     net.Conn // nil without a master
	reader   *bufio.Reader
	outgoing chan []byte
	closing  chan struct{}
	closed   sync.Once
	written  chan struct{} // closed when all is written that was said
	awake    chan struct{} // told when there is something to do after a drain

	lock     sync.Mutex
	state    string // starting, started, stopping, stopped, leaving, left
	asked    uint64 // the seq of what the master has asked for last
	stop     chan struct{}
	lastSeq  uint64
	pending  map[uint64]chan *pb.MasterFrame
	consumed int
}

// Run lives a whole life: once serves. It says Started, waits for StopRequested, drains, and returns; after a Resume it is called
// again. When Run returns nil, the process has to end with 0. onMessage, which may be nil, takes messages, each on a goroutine of its
// own.
func Run(once func(*Worker) error, onMessage OnMessage) error {
	w := &Worker{
		onMessage: onMessage, state: "starting", stop: make(chan struct{}), awake: make(chan struct{}, 1),
		pending: map[uint64]chan *pb.MasterFrame{}, outgoing: make(chan []byte, mostUnsent), closing: make(chan struct{}), written: make(chan struct{}),
	}
	if err := w.connect(); err != nil {
		return err
	}
	for {
		if err := once(w); err != nil {
			return err
		}
		w.say("stopping", "stopped", &pb.WorkerFrame{Body: &pb.WorkerFrame_Stopped{Stopped: &pb.Stopped{}}})
		for w.is("stopped") {
			<-w.awake
		}
		if w.is("leaving") {
			w.say("leaving", "left", &pb.WorkerFrame{Body: &pb.WorkerFrame_ShutDown{ShutDown: &pb.ShutDown{}}})
			w.close()
			return nil
		}
	}
}

// Started says that this worker serves.
func (w *Worker) Started() {
	w.say("starting", "started", &pb.WorkerFrame{Body: &pb.WorkerFrame_Started{Started: &pb.Started{}}})
}

// StopRequested is closed when no new work is to be taken.
func (w *Worker) StopRequested() <-chan struct{} {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.stop
}

// Status says how this worker is: a line for people, requests under way, requests done since the process began, and readings of its own.
func (w *Worker) Status(text string, inFlight, requests uint64, gauges ...*pb.Gauge) {
	w.tell(&pb.WorkerFrame{Body: &pb.WorkerFrame_Status{Status: &pb.Status{Text: text, InFlight: inFlight, Requests: requests, Gauges: gauges}}})
}

// Progress is for the watchdog (DROVER_WATCHDOG_MS): the work goes on.
func (w *Worker) Progress() {
	w.tell(&pb.WorkerFrame{Body: &pb.WorkerFrame_Progress{Progress: &pb.Progress{}}})
}

// Extend asks for so much time, from now on, for the step that is under way.
func (w *Worker) Extend(timeout time.Duration) {
	w.tell(&pb.WorkerFrame{Body: &pb.WorkerFrame_Extend{Extend: &pb.Extend{TimeoutMs: uint64(timeout.Milliseconds())}}})
}

// say says that a step is done. Who says it too late says nothing.
func (w *Worker) say(in, next string, frame *pb.WorkerFrame) {
	w.lock.Lock()
	isOwed := w.state == in
	if isOwed {
		w.state, frame.ReplyTo = next, w.asked
	}
	w.lock.Unlock()
	if isOwed {
		w.tell(frame)
	}
}

// asks sends the worker on its way, if the master may ask for this now.
func (w *Worker) asks(seq uint64, next string, from ...string) {
	w.lock.Lock()
	state := w.state
	for _, allowed := range from {
		if state != allowed {
			continue
		}
		if next == "starting" {
			w.stop = make(chan struct{})
		} else if state == "starting" || state == "started" {
			close(w.stop)
		}
		w.state, w.asked = next, seq
		w.lock.Unlock()
		select {
		case w.awake <- struct{}{}:
		default: // it is told already
		}
		return
	}
	w.lock.Unlock()
	w.refuse(seq, pb.ErrorCode_ERROR_CODE_BAD_STATE, "this worker is "+state)
}

// leave is for a Quit: without a Stop before it, it is one.
func (w *Worker) leave(seq uint64) {
	w.asks(seq, "leaving", "starting", "started", "stopping", "stopped")
}

func (w *Worker) is(states ...string) bool {
	w.lock.Lock()
	defer w.lock.Unlock()
	for _, state := range states {
		if w.state == state {
			return true
		}
	}
	return false
}
