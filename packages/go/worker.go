// Package droverworker makes a program a worker of a Drover master: it takes over the master's sockets, is ready when it says so, and is
// replaced without losing a request. Serve is all that an HTTP server needs; Run is for everything else.
//
//	starting ──Started──► started ──Stop──► stopping ──► stopped ──Quit──► leaving ──► exit
//	                         ▲──── Started ◄── Resume ─────┘
package droverworker

import (
	"os"
	"sync"
	"time"

	"github.com/drover/drover/packages/go/pb"
)

// Version is that of this module, which is that of Drover.
const Version = "0.1.0"

// Worker is the connection to the master. Without DROVER_SOCKET it runs alone, and SIGINT or SIGTERM stop it.
type Worker struct {
	Identity  *pb.Identity // who this worker is; nil without a master
	onMessage OnMessage
	path      string // where its master is, and every successor; empty without one
	out       *outbox
	awake     chan struct{} // told when there is something to do after a drain

	lock     sync.Mutex
	limits   *pb.Limits
	hasBus   bool
	link     *link         // the connection; nil while there is none
	found    chan struct{} // closed when there is one, or will be none any more
	isOrphan bool          // there will be none any more
	state    string        // starting, started, stopping, stopped, leaving, left
	asked    asked
	stop     chan struct{}
	lastSeq  uint64
	pending  map[uint64]question
	topics   map[string]bool // that this worker has subscribed to
	consumed int
}

// asked is what the master has asked for last: what it leads to, in which frame, on which connection.
type asked struct {
	next string
	seq  uint64
	on   *link
}

// question is one that the master has not answered.
type question struct {
	answer chan *pb.MasterFrame // closed without one when the connection ends
	topic  string               // of a Subscribe
}

// Run lives a whole life: once serves. It says Started, waits for StopRequested, drains, and returns; after a Resume it is called
// again. When Run returns nil, the process has to end with 0. onMessage, which may be nil, takes messages, each on a goroutine of its
// own.
func Run(once func(*Worker) error, onMessage OnMessage) error {
	w := &Worker{
		onMessage: onMessage, state: "starting", stop: make(chan struct{}), awake: make(chan struct{}, 1),
		path: os.Getenv("DROVER_SOCKET"), out: newOutbox(), found: make(chan struct{}),
		pending: map[uint64]question{}, topics: map[string]bool{},
	}
	if err := w.connect(); err != nil {
		return err
	}
	for {
		if err := once(w); err != nil {
			return err
		}
		w.say("stopping", "stopped")
		for w.is("stopped") {
			<-w.awake
		}
		if w.is("leaving") {
			w.say("leaving", "left")
			w.out.close()
			return nil
		}
	}
}

// Started says that this worker serves.
func (w *Worker) Started() {
	w.say("starting", "started")
}

// StopRequested is closed when no new work is to be taken.
func (w *Worker) StopRequested() <-chan struct{} {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.stop
}

// Status says how this worker is: a line for people, requests under way, requests done since the process began, and readings of its own.
func (w *Worker) Status(text string, inFlight, requests uint64, gauges ...*pb.Gauge) {
	w.tell(nil, &pb.WorkerFrame{Body: &pb.WorkerFrame_Status{Status: &pb.Status{Text: text, InFlight: inFlight, Requests: requests, Gauges: gauges}}})
}

// Progress is for the watchdog (DROVER_WATCHDOG_MS): the work goes on.
func (w *Worker) Progress() {
	w.tell(nil, &pb.WorkerFrame{Body: &pb.WorkerFrame_Progress{Progress: &pb.Progress{}}})
}

// Extend asks for so much time, from now on, for the step that is under way.
func (w *Worker) Extend(timeout time.Duration) {
	w.tell(nil, &pb.WorkerFrame{Body: &pb.WorkerFrame_Extend{Extend: &pb.Extend{TimeoutMs: uint64(timeout.Milliseconds())}}})
}

// say says that a step is done. Who says it too late says nothing. What was asked on a connection that has ended comes again on the next
// one, and is answered then.
func (w *Worker) say(in, next string) {
	w.lock.Lock()
	isOwed := w.state == in
	if isOwed {
		w.state = next
	}
	asked := w.asked
	on := asked.on
	if asked.next == "" {
		on = w.link
	}
	w.lock.Unlock()
	// Without a connection it is said first on the next one.
	if isOwed && on != nil {
		w.tell(on, done(next, asked.seq))
	}
}

// done is the word for a state that is reached.
func done(state string, replyTo uint64) *pb.WorkerFrame {
	switch state {
	case "started":
		return &pb.WorkerFrame{ReplyTo: replyTo, Body: &pb.WorkerFrame_Started{Started: &pb.Started{}}}
	case "stopped":
		return &pb.WorkerFrame{ReplyTo: replyTo, Body: &pb.WorkerFrame_Stopped{Stopped: &pb.Stopped{}}}
	default:
		return &pb.WorkerFrame{ReplyTo: replyTo, Body: &pb.WorkerFrame_ShutDown{ShutDown: &pb.ShutDown{}}}
	}
}

// goals are the states in which what the master has asked for is done.
var goals = map[string]string{"starting": "started", "stopping": "stopped", "leaving": "left"}

// asks sends the worker on its way, if the master may ask for this now.
func (w *Worker) asks(on *link, seq uint64, next string, from ...string) {
	w.lock.Lock()
	state, comesAgain := w.state, w.asked.next == next && w.asked.on != on
	for _, allowed := range from {
		if state != allowed {
			continue
		}
		if next == "starting" {
			w.stop = make(chan struct{})
		} else if state == "starting" || state == "started" {
			close(w.stop)
		}
		w.state, w.asked = next, asked{next, seq, on}
		w.lock.Unlock()
		select {
		case w.awake <- struct{}{}:
		default: // it is told already
		}
		return
	}
	if comesAgain {
		w.asked = asked{next, seq, on}
	}
	w.lock.Unlock()
	if !comesAgain {
		w.refuse(on, seq, pb.ErrorCode_ERROR_CODE_BAD_STATE, "this worker is "+state)
	} else if state == goals[next] {
		w.tell(on, done(state, seq))
	}
}

// leave is for a Quit: without a Stop before it, it is one.
func (w *Worker) leave(on *link, seq uint64) {
	w.asks(on, seq, "leaving", "starting", "started", "stopping", "stopped")
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
