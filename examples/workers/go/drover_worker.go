// A worker's side of drover.v1. Copy this file; it needs google.golang.org/protobuf and what protoc-gen-go makes of `proto`.
// The protocol is told in docs/reference/protocol.md.
//
//	starting ──Started──► started ──Stop──► stopping ──► stopped ──Quit──► leaving ──► exit
//	                         ▲──── Started ◄── Resume ─────┘
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"drover/pb"

	"google.golang.org/protobuf/proto"
)

const (
	maxFrameBytes   = 1_114_112 // before Welcome tells it
	window          = 1 << 20   // bytes of messages that are under way in the application; more wait at the master
	mostUnsent      = 1024      // frames; whoever says more waits until the master takes them
	requestTimeout  = 30 * time.Second
	masterIsGone    = "the connection to the master has ended"
	noMaster        = "there is no master that carries messages"
	handshakeWithin = 5 * time.Second
)

// BusError is what could not be done, with its code in types.proto.
type BusError struct {
	Code    pb.ErrorCode
	Message string
}

func (e *BusError) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// Worker is the connection to the master. Without DROVER_SOCKET it runs alone, and SIGINT or SIGTERM stop it.
type Worker struct {
	Identity  *pb.Identity // nil without a master
	limits    *pb.Limits
	hasBus    bool
	onMessage func(*Worker, *pb.Message) ([]byte, error)

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

// Serve lives a whole life: once serves. It says Started, waits for StopRequested, drains, and returns; after a Resume it is called
// again. When Serve returns nil, the process has to end with 0. onMessage takes messages, each on a goroutine of its own; what it
// returns is the reply to a request, or its Error.
func Serve(once func(*Worker) error, onMessage func(*Worker, *pb.Message) ([]byte, error)) error {
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

// Listener is the master's socket of this name; without a master one that listens on otherwise. Closed at a stop, it can be had again.
func (w *Worker) Listener(name, otherwise string) (net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return net.Listen("tcp", otherwise)
	}
	for index, known := range strings.Split(os.Getenv("LISTEN_FDNAMES"), ":") {
		if known != name {
			continue
		}
		// A duplicate, so that the descriptor itself is there for the next time; no child inherits either.
		syscall.CloseOnExec(3 + index)
		fd, err := syscall.Dup(3 + index)
		if err != nil {
			return nil, err
		}
		file := os.NewFile(uintptr(fd), name)
		defer file.Close() // FileListener has one of its own
		return net.FileListener(file)
	}
	return nil, fmt.Errorf("the master has handed over no socket %q (LISTEN_FDNAMES is %q)", name, os.Getenv("LISTEN_FDNAMES"))
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

// Send sends a message and does not ask what becomes of it.
func (w *Worker) Send(message *pb.Message) error {
	if !w.hasBus {
		return &BusError{pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, noMaster}
	}
	return w.tell(&pb.WorkerFrame{Body: &pb.WorkerFrame_Message{Message: message}})
}

// Request is the payload of the reply, or a *BusError. The message says how long it waits; not said: 30 s.
func (w *Worker) Request(message *pb.Message) ([]byte, error) {
	timeout := requestTimeout
	if message.TimeoutMs != 0 {
		timeout = time.Duration(message.TimeoutMs) * time.Millisecond
	}
	answer, err := w.ask(&pb.WorkerFrame{Body: &pb.WorkerFrame_Message{Message: message}}, timeout)
	return answer.GetReply().GetPayload(), err
}

// Publish sends to all workers that have subscribed to the topic, and tells to how many it goes.
func (w *Worker) Publish(topic string, payload []byte) (*pb.Accepted, error) {
	message := &pb.Message{Topic: topic, Payload: payload, Scope: pb.Scope_SCOPE_SUBSCRIBERS, Confirm: true}
	answer, err := w.ask(&pb.WorkerFrame{Body: &pb.WorkerFrame_Message{Message: message}}, requestTimeout)
	return answer.GetAccepted(), err
}

// Subscribe makes this worker one of those that a publish of this topic goes to.
func (w *Worker) Subscribe(topic string) error {
	_, err := w.ask(&pb.WorkerFrame{Body: &pb.WorkerFrame_Subscribe{Subscribe: &pb.Subscribe{Topic: topic}}}, requestTimeout)
	return err
}

// Unsubscribe ends what Subscribe began.
func (w *Worker) Unsubscribe(topic string) error {
	_, err := w.ask(&pb.WorkerFrame{Body: &pb.WorkerFrame_Unsubscribe{Unsubscribe: &pb.Unsubscribe{Topic: topic}}}, requestTimeout)
	return err
}

// encode makes a frame of a message: its length in front.
func encode(message proto.Message) ([]byte, error) {
	bytes, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 4), message)
	if err == nil {
		binary.BigEndian.PutUint32(bytes, uint32(len(bytes)-4))
	}
	return bytes, err
}

// readFrame reads the bytes of the next message. io.EOF and io.ErrUnexpectedEOF are the end of the stream.
func readFrame(reader io.Reader, limit uint32) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(reader, header[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > limit {
		return nil, &BusError{pb.ErrorCode_ERROR_CODE_BAD_FRAME, fmt.Sprintf("not a frame, or one of more than %d bytes: %d", limit, length)}
	}
	data := make([]byte, length)
	_, err := io.ReadFull(reader, data)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

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
		Sdk:          &pb.Sdk{Name: "drover_worker.go", Version: "1", Language: "go"},
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

func (w *Worker) deliver(frame *pb.MasterFrame, message *pb.Message, length int) {
	payload, err := w.onMessage(w, message)
	var refused *BusError
	switch {
	case err == nil && frame.ExpectsReply:
		err = w.tell(&pb.WorkerFrame{ReplyTo: frame.Seq, Body: &pb.WorkerFrame_Reply{Reply: &pb.Reply{Payload: payload}}})
	case errors.As(err, &refused) && frame.ExpectsReply:
		w.refuse(frame.Seq, refused.Code, refused.Message)
	case err != nil && frame.ExpectsReply:
		w.refuse(frame.Seq, pb.ErrorCode_ERROR_CODE_FAILED, err.Error())
	case err != nil:
		fmt.Fprintf(os.Stderr, "message %q: %v\n", message.Topic, err)
	}
	w.lock.Lock()
	w.consumed += length
	free := 0
	if w.consumed >= window/2 {
		free, w.consumed = w.consumed, 0
	}
	w.lock.Unlock()
	if free > 0 {
		w.tell(&pb.WorkerFrame{Body: &pb.WorkerFrame_Consumed{Consumed: &pb.Consumed{Bytes: uint64(free)}}})
	}
}

func (w *Worker) answered(frame *pb.MasterFrame) {
	w.lock.Lock()
	waiting := w.pending[frame.ReplyTo]
	delete(w.pending, frame.ReplyTo)
	w.lock.Unlock()
	if waiting != nil {
		waiting <- frame // there is room for one
	} else if refused := frame.GetError(); refused != nil {
		fmt.Fprintf(os.Stderr, "the master answers: %s %s\n", refused.Code, refused.Message)
	}
}

func (w *Worker) ask(frame *pb.WorkerFrame, timeout time.Duration) (*pb.MasterFrame, error) {
	if !w.hasBus {
		return nil, &BusError{pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, noMaster}
	}
	waiting := make(chan *pb.MasterFrame, 1)
	w.lock.Lock()
	w.lastSeq++
	frame.Seq, frame.ExpectsReply = w.lastSeq, true
	w.pending[frame.Seq] = waiting
	w.lock.Unlock()
	defer func() {
		w.lock.Lock()
		delete(w.pending, frame.Seq)
		w.lock.Unlock()
	}()
	if err := w.tell(frame); err != nil {
		return nil, err
	}
	// The master answers in time; the second more is for one that hangs.
	select {
	case answer := <-waiting:
		if answer == nil {
			return nil, &BusError{pb.ErrorCode_ERROR_CODE_FAILED, masterIsGone}
		}
		if refused := answer.GetError(); refused != nil {
			return nil, &BusError{refused.Code, refused.Message}
		}
		return answer, nil
	case <-time.After(timeout + time.Second):
		return nil, &BusError{pb.ErrorCode_ERROR_CODE_DEADLINE, "no answer from the master"}
	}
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

func (w *Worker) refuse(seq uint64, code pb.ErrorCode, message string) {
	w.tell(&pb.WorkerFrame{ReplyTo: seq, Body: &pb.WorkerFrame_Error{Error: &pb.Error{Code: code, Message: message}}})
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
