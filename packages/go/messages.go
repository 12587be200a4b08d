package droverworker

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/drover/drover/packages/go/pb"
)

const (
	window         = 1 << 20 // bytes of messages that are under way in the application; more wait at the master
	requestTimeout = 30 * time.Second
	masterIsGone   = "the connection to the master has ended"
	noMaster       = "there is no master that carries messages"
)

// OnMessage takes a message. What it returns is the reply to a request, or its Error, whose code is that of a *BusError.
type OnMessage func(*Worker, *pb.Message) ([]byte, error)

// BusError is what could not be done, with its code in types.proto.
type BusError struct {
	Code    pb.ErrorCode
	Message string
}

func (e *BusError) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// Send sends a message and does not ask what becomes of it.
func (w *Worker) Send(message *pb.Message) error {
	w.lock.Lock()
	hasBus := w.hasBus
	w.lock.Unlock()
	if !hasBus {
		return &BusError{pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, noMaster}
	}
	return w.tell(nil, &pb.WorkerFrame{Body: &pb.WorkerFrame_Message{Message: message}})
}

// Request is the payload of the reply, or a *BusError, FAILED if the master dies meanwhile. The message says how long it waits; not said: 30 s.
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

// Subscribe makes this worker one of those that a publish of this topic goes to, also of the next master.
func (w *Worker) Subscribe(topic string) error {
	_, err := w.ask(&pb.WorkerFrame{Body: &pb.WorkerFrame_Subscribe{Subscribe: &pb.Subscribe{Topic: topic}}}, requestTimeout)
	return err
}

// Unsubscribe ends what Subscribe began.
func (w *Worker) Unsubscribe(topic string) error {
	w.lock.Lock()
	delete(w.topics, topic)
	w.lock.Unlock()
	_, err := w.ask(&pb.WorkerFrame{Body: &pb.WorkerFrame_Unsubscribe{Unsubscribe: &pb.Unsubscribe{Topic: topic}}}, requestTimeout)
	return err
}

func (w *Worker) deliver(on *link, frame *pb.MasterFrame, message *pb.Message, length int) {
	var payload []byte
	var err error = &BusError{pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, "this worker takes no messages"}
	if w.onMessage != nil {
		payload, err = w.onMessage(w, message)
	}
	var refused *BusError
	switch {
	case err == nil && frame.ExpectsReply:
		err = w.tell(on, &pb.WorkerFrame{ReplyTo: frame.Seq, Body: &pb.WorkerFrame_Reply{Reply: &pb.Reply{Payload: payload}}})
	case errors.As(err, &refused) && frame.ExpectsReply:
		w.refuse(on, frame.Seq, refused.Code, refused.Message)
	case err != nil && frame.ExpectsReply:
		w.refuse(on, frame.Seq, pb.ErrorCode_ERROR_CODE_FAILED, err.Error())
	case err != nil:
		fmt.Fprintf(os.Stderr, "message %q: %v\n", message.Topic, err)
	}
	w.lock.Lock()
	free := 0
	if w.link == on { // each connection has a window of its own
		w.consumed += length
	}
	if w.consumed >= window/2 {
		free, w.consumed = w.consumed, 0
	}
	w.lock.Unlock()
	if free > 0 {
		w.tell(on, &pb.WorkerFrame{Body: &pb.WorkerFrame_Consumed{Consumed: &pb.Consumed{Bytes: uint64(free)}}})
	}
}

func (w *Worker) answered(frame *pb.MasterFrame) {
	w.lock.Lock()
	question, isKnown := w.pending[frame.ReplyTo]
	delete(w.pending, frame.ReplyTo)
	if question.topic != "" && frame.GetAccepted() != nil {
		w.topics[question.topic] = true // before the connection can end, so that the next one has it
	}
	w.lock.Unlock()
	if isKnown {
		question.answer <- frame // there is room for one
	} else if refused := frame.GetError(); refused != nil {
		fmt.Fprintf(os.Stderr, "the master answers: %s %s\n", refused.Code, refused.Message)
	}
}

func (w *Worker) ask(frame *pb.WorkerFrame, timeout time.Duration) (*pb.MasterFrame, error) {
	// The master answers in time; the second more is for one that hangs.
	late := time.NewTimer(timeout + time.Second)
	defer late.Stop()
	on, waiting, err := w.questioned(frame, late.C)
	if err != nil {
		return nil, err
	}
	defer func() {
		w.lock.Lock()
		delete(w.pending, frame.Seq)
		w.lock.Unlock()
	}()
	if err := w.tell(on, frame); err != nil {
		return nil, err
	}
	select {
	case answer := <-waiting:
		if answer == nil {
			return nil, &BusError{pb.ErrorCode_ERROR_CODE_FAILED, masterIsGone}
		}
		if refused := answer.GetError(); refused != nil {
			return nil, &BusError{refused.Code, refused.Message}
		}
		return answer, nil
	case <-late.C:
		return nil, &BusError{pb.ErrorCode_ERROR_CODE_DEADLINE, "no answer from the master"}
	}
}

// questioned makes a question of a frame, for the connection that there is; if there is none at the moment, for the next one.
func (w *Worker) questioned(frame *pb.WorkerFrame, late <-chan time.Time) (*link, chan *pb.MasterFrame, error) {
	for {
		w.lock.Lock()
		found := w.found
		switch {
		case w.isOrphan:
			w.lock.Unlock()
			return nil, nil, &BusError{pb.ErrorCode_ERROR_CODE_FAILED, masterIsGone}
		case w.path == "" || w.link != nil && !w.hasBus:
			w.lock.Unlock()
			return nil, nil, &BusError{pb.ErrorCode_ERROR_CODE_UNIMPLEMENTED, noMaster}
		case w.link != nil:
			waiting := make(chan *pb.MasterFrame, 1)
			w.lastSeq++
			frame.Seq, frame.ExpectsReply = w.lastSeq, true
			w.pending[frame.Seq] = question{waiting, frame.GetSubscribe().GetTopic()}
			on := w.link
			w.lock.Unlock()
			return on, waiting, nil
		}
		w.lock.Unlock()
		select {
		case <-found:
		case <-late:
			return nil, nil, &BusError{pb.ErrorCode_ERROR_CODE_DEADLINE, "no connection to a master"}
		}
	}
}
