package droverworker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/drover/drover/packages/go/pb"
)

// firstTries is how often the first connection is made again that ends without an answer.
const firstTries = 3

// farewellWithin is for what is told to a master that can't be understood.
const farewellWithin = 5 * time.Second

// connect connects for the first time.
func (w *Worker) connect() error {
	if w.path == "" {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
		go func() {
			<-signals
			signal.Stop(signals) // a second one ends it
			w.leave(nil, 0)
		}()
		return nil
	}
	hello, err := encode(&pb.Hello{
		MinVersion: 1, MaxVersion: 1, Token: os.Getenv("DROVER_TOKEN"), Pid: uint32(os.Getpid()),
		Sdk:          &pb.Sdk{Name: "packages/go", Version: Version, Language: "go"},
		Capabilities: []string{"resume", "bus"},
	})
	if err != nil {
		return err
	}
	first, err := firstLink(w.path, hello)
	if err != nil {
		return err
	}
	w.Identity = first.welcome.Identity
	if err := w.begin(first); err != nil {
		return err
	}
	go w.read(first, hello)
	return nil
}

// firstLink tries a few times more where a connection ends without an answer: a successor of a master that has died holds the path already.
func firstLink(path string, hello []byte) (*link, error) {
	for tries := 0; ; tries++ {
		conn, err := net.Dial("unix", path)
		if err != nil {
			return nil, err
		}
		first, err := greet(conn, hello, time.Now().Add(handshakeWithin))
		var answer *rejected
		if err == nil || errors.As(err, &answer) {
			return first, err
		}
		if tries == firstTries || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, &rejected{message: "no reason given"}
		}
		time.Sleep(pauses[tries])
	}
}

// begin is for a connection that stands. The master gets to know first what belongs to the connection.
func (w *Worker) begin(l *link) error {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.hasBus = false
	for _, capability := range l.welcome.Capabilities {
		w.hasBus = w.hasBus || capability == "bus"
	}
	var frames []*pb.WorkerFrame
	if w.hasBus {
		frames = append(frames, &pb.WorkerFrame{Body: &pb.WorkerFrame_Consumed{Consumed: &pb.Consumed{Window: window}}})
		for topic := range w.topics {
			frames = append(frames, &pb.WorkerFrame{Body: &pb.WorkerFrame_Subscribe{Subscribe: &pb.Subscribe{Topic: topic}}})
		}
	}
	// A master that has heard it may have died before it wrote it down.
	if w.state == "started" && w.asked.next == "" {
		frames = append(frames, done("started", 0))
	}
	var first [][]byte
	for _, frame := range frames {
		bytes, err := encode(frame)
		if err != nil {
			return err
		}
		first = append(first, bytes)
	}
	w.limits, w.link, w.consumed = l.welcome.Limits, l, 0
	w.out.begin(l, first)
	close(w.found)
	return nil
}

// read takes what the master says, and what its successors say.
func (w *Worker) read(l *link, hello []byte) {
	for {
		isUnderstood := w.readAll(l)
		w.lost(l)
		search := newSearch(w.path, hello, l.welcome.Limits)
		if w.is("left") {
			return // the master waits for the end of the process
		}
		var err error
		if isUnderstood {
			l, err = search.successor()
		}
		if !isUnderstood || err != nil || w.begin(l) != nil {
			search.giveUp()
			w.orphaned(err)
			return
		}
	}
}

// readAll takes what comes on a connection until it ends. False: this worker has ended it, because it does not understand the master.
func (w *Worker) readAll(l *link) bool {
	var err error
	for err == nil {
		var data []byte
		frame := &pb.MasterFrame{}
		if data, err = readFrame(l.reader, l.welcome.Limits.GetMaxFrameBytes()); err != nil {
			break
		}
		if err = proto.Unmarshal(data, frame); err != nil {
			err = &BusError{pb.ErrorCode_ERROR_CODE_BAD_FRAME, err.Error()}
		} else {
			err = w.take(l, frame, len(data))
		}
	}
	var broken *BusError
	if !errors.As(err, &broken) {
		return true
	}
	fmt.Fprintf(os.Stderr, "the connection to the master is of no use any more: %s\n", broken.Message)
	l.conn.SetWriteDeadline(time.Now().Add(farewellWithin))
	if broken.Code == pb.ErrorCode_ERROR_CODE_BAD_FRAME {
		w.refuse(l, 0, broken.Code, broken.Message)
	}
	w.out.close()
	return false
}

func (w *Worker) take(l *link, frame *pb.MasterFrame, length int) error {
	switch body := frame.Body.(type) {
	case *pb.MasterFrame_Ping:
		w.tell(l, &pb.WorkerFrame{ReplyTo: frame.Seq, Body: &pb.WorkerFrame_Pong{Pong: &pb.Pong{}}})
	case *pb.MasterFrame_Message:
		go w.deliver(l, frame, body.Message, length) // no more of them than the window lets through
	case *pb.MasterFrame_Reply, *pb.MasterFrame_Accepted, *pb.MasterFrame_Error:
		w.answered(frame)
	case *pb.MasterFrame_Stop:
		w.asks(l, frame.Seq, "stopping", "starting", "started")
	case *pb.MasterFrame_Resume:
		w.asks(l, frame.Seq, "starting", "stopped")
	case *pb.MasterFrame_Quit:
		w.leave(l, frame.Seq)
	default:
		if frame.MustUnderstand {
			return &BusError{pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, "the master sent what this worker does not know"}
		}
		if frame.ExpectsReply {
			w.refuse(l, frame.Seq, pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, "this worker does not know the body")
		}
	}
	return nil
}

// lost is for a connection that has ended: what was asked on it has no answer.
func (w *Worker) lost(l *link) {
	l.conn.Close()
	w.out.end(l)
	<-l.written
	w.lock.Lock()
	defer w.lock.Unlock()
	w.link, w.found = nil, make(chan struct{})
	for seq, question := range w.pending {
		close(question.answer)
		delete(w.pending, seq)
	}
}

// orphaned is for a master that is gone: nobody will say Stop or Quit any more.
func (w *Worker) orphaned(why error) {
	var answer *rejected
	if errors.As(why, &answer) {
		fmt.Fprintln(os.Stderr, why)
	}
	w.lock.Lock()
	w.isOrphan = true
	close(w.found)
	w.lock.Unlock()
	w.out.close()
	if w.is("starting", "started", "stopping", "stopped") {
		w.leave(nil, 0)
	}
}

func (w *Worker) refuse(on *link, seq uint64, code pb.ErrorCode, message string) {
	w.tell(on, &pb.WorkerFrame{ReplyTo: seq, Body: &pb.WorkerFrame_Error{Error: &pb.Error{Code: code, Message: message}}})
}

// tell hands over a frame that a master is to take: the one of this connection, or whichever there is.
func (w *Worker) tell(on *link, frame *pb.WorkerFrame) error {
	if w.path == "" {
		return nil
	}
	bytes, err := encode(frame)
	if err != nil {
		return err
	}
	w.lock.Lock()
	most := int(w.limits.GetMaxFrameBytes())
	w.lock.Unlock()
	if length := len(bytes) - 4; length > most {
		return &BusError{pb.ErrorCode_ERROR_CODE_INVALID_ARGUMENT, fmt.Sprintf("a frame of %d bytes is over the limit", length)}
	}
	news := isNone
	switch frame.Body.(type) {
	case *pb.WorkerFrame_Status:
		news = isStatus
	case *pb.WorkerFrame_Progress:
		news = isProgress
	}
	return w.out.put(outgoing{bytes, on, news})
}
