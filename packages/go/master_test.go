package droverworker

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/drover/drover/packages/go/pb"
)

const patience = 60 * time.Second // on a busy machine; nothing here takes as long

// masters are where a worker looks for its master.
type masters struct {
	*testing.T
	listener net.Listener
}

// peer is a connection of a worker.
type peer struct {
	*testing.T
	conn   net.Conn
	reader *bufio.Reader
	hello  *pb.Hello
}

func listen(t *testing.T) *masters {
	folder, err := os.MkdirTemp("", "again-") // a path of its own, because one of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(folder, "worker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close(); os.RemoveAll(folder) })
	t.Setenv("DROVER_SOCKET", listener.Addr().String())
	t.Setenv("DROVER_TOKEN", "a token")
	return &masters{t, listener}
}

// next is the next connection, with its Hello.
func (m *masters) next() *peer {
	m.Helper()
	m.listener.(*net.UnixListener).SetDeadline(time.Now().Add(patience))
	conn, err := m.listener.Accept()
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	p := &peer{m.T, conn, bufio.NewReader(conn), &pb.Hello{}}
	p.read(p.hello)
	return p
}

func (p *peer) read(message proto.Message) {
	p.Helper()
	data, err := readFrame(p.reader, maxFrameBytes)
	if err == nil {
		err = proto.Unmarshal(data, message)
	}
	if err != nil {
		p.Fatal(err)
	}
}

func (p *peer) write(message proto.Message) {
	p.Helper()
	bytes, _ := encode(message)
	if _, err := p.conn.Write(bytes); err != nil {
		p.Fatal(err)
	}
}

func (p *peer) welcome(graceMs uint64) *peer {
	p.Helper()
	p.write(&pb.HelloReply{Reply: &pb.HelloReply_Welcome{Welcome: &pb.Welcome{
		Version: 1, Identity: &pb.Identity{App: "test"}, Capabilities: []string{"bus", "app"},
		Limits: &pb.Limits{MaxFrameBytes: maxFrameBytes, DrainTimeoutMs: graceMs / 2, QuitTimeoutMs: graceMs / 2},
	}}})
	p.says("window:1048576", 0)
	return p
}

// longGrace is one that no test waits for.
const longGrace = 600_000

func (p *peer) reject(code pb.RejectCode) {
	p.Helper()
	p.write(&pb.HelloReply{Reply: &pb.HelloReply_Reject{Reject: &pb.Reject{Code: code, Message: "as the test wants it"}}})
	p.conn.Close()
}

// says expects that the next frame has this in it; the frame.
func (p *peer) says(what string, replyTo uint64) *pb.WorkerFrame {
	p.Helper()
	frame := &pb.WorkerFrame{}
	p.read(frame)
	text := strings.ReplaceAll(frame.String(), " ", "")
	if !strings.Contains(text, what) || frame.ReplyTo != replyTo {
		p.Fatalf("%q, not %s that answers %d", text, what, replyTo)
	}
	return frame
}

// answersPing proves that it says nothing before this.
func (p *peer) answersPing() {
	p.Helper()
	p.write(&pb.MasterFrame{Seq: 77, ExpectsReply: true, Body: &pb.MasterFrame_Ping{Ping: &pb.Ping{}}})
	p.says("pong", 77)
}

func (p *peer) asks(seq uint64, what string) {
	p.Helper()
	frame := &pb.MasterFrame{Seq: seq}
	switch what {
	case "stop":
		frame.Body = &pb.MasterFrame_Stop{Stop: &pb.Stop{DeadlineMs: longGrace}}
	case "resume":
		frame.Body = &pb.MasterFrame_Resume{Resume: &pb.Resume{}}
	case "quit":
		frame.Body = &pb.MasterFrame_Quit{Quit: &pb.Quit{}}
	}
	p.write(frame)
}
