package droverworker

import (
	"bufio"
	"errors"
	"net"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/drover/drover/packages/go/pb"
)

const (
	maxFrameBytes   = 1_114_112 // before Welcome tells it
	handshakeWithin = 5 * time.Second
)

// link is one connection to the master.
type link struct {
	conn    net.Conn
	reader  *bufio.Reader
	welcome *pb.Welcome
	written chan struct{} // closed when nothing will be written to it any more
}

// rejected is what a master says that does not want this worker.
type rejected struct {
	code    pb.RejectCode
	message string
}

func (r *rejected) Error() string { return "the master refused this worker: " + r.message }

// greet says Hello and waits for Welcome. A *rejected is an answer; every other error is none.
func greet(conn net.Conn, hello []byte, until time.Time) (*link, error) {
	reader := bufio.NewReader(conn)
	conn.SetDeadline(until)
	conn.Write(hello) // it may have been refused before: the reason is there to be read
	data, err := readFrame(reader, maxFrameBytes)
	var broken *BusError
	if errors.As(err, &broken) {
		err = &rejected{message: broken.Message}
	}
	reply := &pb.HelloReply{}
	if err == nil && (proto.Unmarshal(data, reply) != nil || reply.GetWelcome().GetVersion() != 1) {
		answer := &rejected{reply.GetReject().GetCode(), reply.GetReject().GetMessage()}
		if answer.message == "" {
			answer.message = "no reason given"
		}
		err = answer
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return &link{conn: conn, reader: reader, welcome: reply.GetWelcome(), written: make(chan struct{})}, nil
}
