package droverworker

import (
	"bufio"
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

const (
	maxFrameBytes   = 1_114_112 // before Welcome tells it
	mostUnsent      = 1024      // frames; whoever says more waits until the master takes them
	handshakeWithin = 5 * time.Second
)

func (w *Worker) connect() error {
	path := os.Getenv("DROVER_SOCKET")
	if path == "" {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
		go func() {
			<-signals
			signal.Stop(signals) // a second one ends it
			w.leave(0)
		}()
		return nil
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	w.conn, w.reader = conn, bufio.NewReader(conn)
	hello, err := encode(&pb.Hello{
		MinVersion: 1, MaxVersion: 1, Token: os.Getenv("DROVER_TOKEN"), Pid: uint32(os.Getpid()),
		Sdk:          &pb.Sdk{Name: "packages/go", Version: Version, Language: "go"},
		Capabilities: []string{"resume", "bus"},
	})
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(handshakeWithin))
	conn.Write(hello) // it may have been refused before: the reason is there to be read
	reply := &pb.HelloReply{}
	if data, err := readFrame(w.reader, maxFrameBytes); err == nil {
		err = proto.Unmarshal(data, reply)
	}
	if reply.GetWelcome().GetVersion() != 1 {
		return fmt.Errorf("the master refused this worker: %s", reply.GetReject().GetMessage())
	}
	conn.SetDeadline(time.Time{})
	w.Identity, w.limits = reply.GetWelcome().Identity, reply.GetWelcome().Limits
	for _, capability := range reply.GetWelcome().Capabilities {
		w.hasBus = w.hasBus || capability == "bus"
	}
	go w.write()
	if w.hasBus {
		w.tell(&pb.WorkerFrame{Body: &pb.WorkerFrame_Consumed{Consumed: &pb.Consumed{Window: window}}})
	}
	go w.read()
	return nil
}

func (w *Worker) read() {
	var err error
	for err == nil {
		var data []byte
		frame := &pb.MasterFrame{}
		if data, err = readFrame(w.reader, w.limits.MaxFrameBytes); err != nil {
			break
		}
		if err = proto.Unmarshal(data, frame); err != nil {
			err = &BusError{pb.ErrorCode_ERROR_CODE_BAD_FRAME, err.Error()}
		} else {
			err = w.take(frame, len(data))
		}
	}
	var broken *BusError
	if errors.As(err, &broken) {
		fmt.Fprintf(os.Stderr, "the connection to the master is of no use any more: %s\n", broken.Message)
		if broken.Code == pb.ErrorCode_ERROR_CODE_BAD_FRAME {
			w.refuse(0, broken.Code, broken.Message)
		}
	}
	w.lost()
}

func (w *Worker) take(frame *pb.MasterFrame, length int) error {
	switch body := frame.Body.(type) {
	case *pb.MasterFrame_Ping:
		w.tell(&pb.WorkerFrame{ReplyTo: frame.Seq, Body: &pb.WorkerFrame_Pong{Pong: &pb.Pong{}}})
	case *pb.MasterFrame_Message:
		go w.deliver(frame, body.Message, length) // no more of them than the window lets through
	case *pb.MasterFrame_Reply, *pb.MasterFrame_Accepted, *pb.MasterFrame_Error:
		w.answered(frame)
	case *pb.MasterFrame_Stop:
		w.asks(frame.Seq, "stopping", "starting", "started")
	case *pb.MasterFrame_Resume:
		w.asks(frame.Seq, "starting", "stopped")
	case *pb.MasterFrame_Quit:
		w.leave(frame.Seq)
	default:
		if frame.MustUnderstand {
			return &BusError{pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, "the master sent what this worker does not know"}
		}
		if frame.ExpectsReply {
			w.refuse(frame.Seq, pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, "this worker does not know the body")
		}
	}
	return nil
}

// lost is for a master that is gone: nobody will say Stop or Quit any more. Whatever hangs, the process ends in time.
func (w *Worker) lost() {
	left := time.Duration(w.limits.DrainTimeoutMs+w.limits.QuitTimeoutMs) * time.Millisecond
	time.AfterFunc(left, func() { os.Exit(70) })
	w.close()
	w.lock.Lock()
	for seq, waiting := range w.pending {
		close(waiting)
		delete(w.pending, seq)
	}
	w.lock.Unlock()
	if w.is("starting", "started", "stopping", "stopped") {
		w.leave(0)
	}
}

func (w *Worker) refuse(seq uint64, code pb.ErrorCode, message string) {
	w.tell(&pb.WorkerFrame{ReplyTo: seq, Body: &pb.WorkerFrame_Error{Error: &pb.Error{Code: code, Message: message}}})
}

// tell hands a frame to the writer, which takes it when the master takes those before.
func (w *Worker) tell(frame *pb.WorkerFrame) error {
	if w.conn == nil {
		return nil
	}
	bytes, err := encode(frame)
	if err != nil {
		return err
	}
	length := len(bytes) - 4
	if length > int(w.limits.MaxFrameBytes) {
		return &BusError{pb.ErrorCode_ERROR_CODE_INVALID_ARGUMENT, fmt.Sprintf("a frame of %d bytes is over the limit", length)}
	}
	select {
	case w.outgoing <- bytes:
		return nil
	case <-w.closing:
		return &BusError{pb.ErrorCode_ERROR_CODE_FAILED, masterIsGone}
	}
}

func (w *Worker) write() {
	defer close(w.written)
	for isOver := false; !isOver || len(w.outgoing) > 0; {
		select {
		case bytes := <-w.outgoing:
			w.conn.Write(bytes) // that it failed is told by the end of the stream
		case <-w.closing:
			isOver = true
		}
	}
	w.conn.Close()
}

func (w *Worker) close() {
	w.closed.Do(func() { close(w.closing) })
	if w.conn != nil {
		<-w.written
	}
}
