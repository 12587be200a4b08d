package droverworker

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/drover/drover/packages/go/pb"
)

// A worker outlives its master: it connects again, to a successor that holds the same path.

// life is a worker whose app does what the test tells it.
type life struct {
	*masters
	worker *Worker
	steps  chan string   // tells what the app does: "serves", "stops"
	goOn   chan struct{} // lets it do it
	asked  chan *pb.Message
	reply  chan []byte
	ended  chan error
}

func begin(t *testing.T) (*life, *peer) {
	l := &life{listen(t), nil, make(chan string), make(chan struct{}), make(chan *pb.Message), make(chan []byte), make(chan error, 1)}
	workers := make(chan *Worker, 10)
	go func() {
		l.ended <- Run(func(w *Worker) error {
			workers <- w
			l.steps <- "serves"
			<-l.goOn
			w.Started()
			<-w.StopRequested()
			l.steps <- "stops"
			<-l.goOn
			return nil
		}, func(w *Worker, message *pb.Message) ([]byte, error) {
			l.asked <- message
			return <-l.reply, nil
		})
	}()
	first := l.next().welcome(longGrace)
	l.worker = <-workers
	return l, first
}

// does expects that the app comes to this.
func (l *life) does(step string) {
	l.Helper()
	select {
	case did := <-l.steps:
		if did != step {
			l.Fatalf("it %s, and does not come to say that it %s", did, step)
		}
	case <-time.After(patience):
		l.Fatalf("it does not come to say that it %s", step)
	}
}

func (l *life) ends() {
	l.Helper()
	select {
	case err := <-l.ended:
		if err != nil {
			l.Fatal(err)
		}
	case <-time.After(patience):
		l.Fatal("it does not end")
	}
}

// leaves brings it to its end, without a master.
func (l *life) leaves() {
	l.Helper()
	l.does("stops")
	l.goOn <- struct{}{}
	l.ends()
}

func started(t *testing.T) (*life, *peer) {
	l, first := begin(t)
	l.does("serves")
	l.goOn <- struct{}{}
	first.says("started:{}", 0)
	os.Unsetenv("DROVER_TOKEN")
	os.Setenv("DROVER_SOCKET", "/nowhere")
	return l, first
}

// quits ends it in order.
func (l *life) quits(p *peer) {
	l.Helper()
	p.asks(99, "quit")
	l.does("stops")
	l.goOn <- struct{}{}
	p.says("shut_down:{}", 99)
	l.ends()
}

// saysStartedAgain is for a successor, which may not have been told what its predecessor has heard.
func (p *peer) saysStartedAgain() *peer {
	p.Helper()
	p.says("started:{}", 0)
	return p
}

func TestAWorkerComesBackWithTheSameHelloAndSaysStartedToEachMasterOnce(t *testing.T) {
	l, first := started(t)
	first.conn.Close()
	second := l.next().welcome(longGrace)
	if second.hello.Token != "a token" || !proto.Equal(first.hello, second.hello) {
		t.Errorf("%v and then %v", first.hello, second.hello)
	}
	second.saysStartedAgain().answersPing()
	second.conn.Close()
	third := l.next().welcome(longGrace)
	third.saysStartedAgain().answersPing()
	l.quits(third)
}

func TestWhatWasSaidWhileThereWasNoConnectionIsSaidOnTheNextOne(t *testing.T) {
	l, first := begin(t)
	l.does("serves")
	l.worker.Status("warms up", 0, 0)
	first.says(`text:"warmsup"`, 0)
	first.conn.Close()
	second := l.next()
	for i := 0; i < 2*mostUnsent; i++ {
		l.worker.Status(fmt.Sprint(i), 0, 0)
		l.worker.Progress()
	}
	l.worker.Status("serves", 0, 0)
	l.worker.Send(&pb.Message{Topic: "topic", Scope: pb.Scope_SCOPE_APP})
	l.goOn <- struct{}{}
	for l.worker.is("starting") {
		time.Sleep(time.Millisecond)
	}
	second.welcome(longGrace)
	second.says("started:{}", 0)
	second.says(`text:"serves"`, 0)
	second.says("progress:{}", 0)
	second.says(`topic:"topic"`, 0)
	second.conn.Close()
	third := l.next().welcome(longGrace).saysStartedAgain()
	third.says(`text:"serves"`, 0) // nobody knows whether the last one has read it
	third.answersPing()
	l.quits(third)
}

func TestSubscriptionsComeAlongAndWhatWasGivenUpDoesNot(t *testing.T) {
	l, first := started(t)
	for _, one := range []func() error{
		func() error { return l.worker.Subscribe("kept") },
		func() error { return l.worker.Subscribe("left") },
		func() error { return l.worker.Unsubscribe("left") },
	} {
		done := make(chan error)
		go func() { done <- one() }()
		seq := first.says("subscribe:", 0).Seq
		first.write(&pb.MasterFrame{ReplyTo: seq, Body: &pb.MasterFrame_Accepted{Accepted: &pb.Accepted{}}})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	first.conn.Close()
	second := l.next().welcome(longGrace)
	second.says(`subscribe:{topic:"kept"}`, 0)
	second.saysStartedAgain().answersPing()
	l.quits(second)
}

func TestAQuestionThatIsOpenFailsAndOneThatIsAskedMeanwhileIsAnswered(t *testing.T) {
	l, first := started(t)
	type answer struct {
		payload []byte
		err     error
	}
	answers := make(chan answer)
	ask := func() {
		payload, err := l.worker.Request(&pb.Message{Topic: "topic", Scope: pb.Scope_SCOPE_APP})
		answers <- answer{payload, err}
	}
	go ask()
	first.says(`topic:"topic"`, 0)
	first.conn.Close()
	if open := <-answers; open.err == nil || open.err.Error() != "ERROR_CODE_FAILED: the connection to the master has ended" {
		t.Fatalf("%v", open)
	}
	second := l.next()
	go ask()
	second.welcome(longGrace).saysStartedAgain()
	seq := second.says(`topic:"topic"`, 0).Seq
	second.write(&pb.MasterFrame{ReplyTo: seq, Body: &pb.MasterFrame_Reply{Reply: &pb.Reply{Payload: []byte("here")}}})
	if later := <-answers; string(later.payload) != "here" || later.err != nil {
		t.Fatalf("%v", later)
	}
	l.quits(second)
}

func TestWhatAMasterHasAskedThatIsGoneIsAnsweredToNobody(t *testing.T) {
	l, first := started(t)
	first.write(&pb.MasterFrame{Seq: 5, ExpectsReply: true, Body: &pb.MasterFrame_Message{Message: &pb.Message{Topic: "late"}}})
	<-l.asked
	first.conn.Close()
	second := l.next().welcome(longGrace).saysStartedAgain()
	second.answersPing()
	l.reply <- []byte("too late")
	second.answersPing()
	l.quits(second)
}

func TestAStopThatComesAgainIsAnsweredAndNoSecondOne(t *testing.T) {
	l, first := started(t)
	first.asks(5, "stop")
	l.does("stops")
	first.conn.Close()
	second := l.next().welcome(longGrace)
	second.asks(8, "stop")
	second.answersPing()
	second.conn.Close()
	// It is done before the next one asks.
	third := l.next()
	l.goOn <- struct{}{}
	for !l.worker.is("stopped") {
		time.Sleep(time.Millisecond)
	}
	third.welcome(longGrace)
	third.answersPing()
	third.asks(9, "stop")
	third.says("stopped:{}", 9)
	third.asks(10, "resume")
	l.does("serves")
	third.conn.Close()
	fourth := l.next().welcome(longGrace)
	fourth.asks(11, "resume")
	fourth.answersPing()
	l.goOn <- struct{}{}
	fourth.says("started:{}", 11)
	fourth.asks(12, "quit")
	l.does("stops")
	fourth.conn.Close()
	fifth := l.next().welcome(longGrace)
	fifth.asks(13, "quit")
	fifth.answersPing()
	l.goOn <- struct{}{}
	fifth.says("shut_down:{}", 13)
	l.ends()
}

func TestAFirstConnectionThatEndsWithoutAnAnswerIsMadeAgain(t *testing.T) {
	m := listen(t)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(func(w *Worker) error {
			w.Started()
			<-w.StopRequested()
			return nil
		}, nil)
	}()
	dies := m.next()
	dies.conn.Close()
	first := m.next()
	if !proto.Equal(dies.hello, first.hello) {
		t.Errorf("%v and then %v", dies.hello, first.hello)
	}
	first.welcome(longGrace).says("started:{}", 0)
	first.asks(99, "quit")
	first.says("shut_down:{}", 99)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFirstConnectionsThatAllEndWithoutAnAnswerAreARefusal(t *testing.T) {
	m := listen(t)
	ended := make(chan error, 1)
	go func() { ended <- Run(func(w *Worker) error { return nil }, nil) }()
	for i := 0; i <= firstTries; i++ {
		m.next().conn.Close()
	}
	if err := <-ended; err == nil || err.Error() != "the master refused this worker: no reason given" {
		t.Errorf("%v", err)
	}
}

func TestAWorkerWaitsForASuccessorThatTakesItsTimeOrDiesToo(t *testing.T) {
	l, first := started(t)
	first.conn.Close()
	l.next().conn.Close()
	l.next().reject(pb.RejectCode_REJECT_CODE_TOKEN_IN_USE)
	slow := l.next()
	time.Sleep(300 * time.Millisecond)
	slow.welcome(longGrace).saysStartedAgain().answersPing()
	l.quits(slow)
}

func TestAWorkerDrainsAndLeavesWhereNobodyHoldsThePath(t *testing.T) {
	l, first := started(t)
	l.listener.Close()
	first.conn.Close()
	l.does("stops")
	if err := l.worker.Subscribe("topic"); err == nil || err.Error() != "ERROR_CODE_FAILED: the connection to the master has ended" {
		t.Errorf("%v", err)
	}
	l.goOn <- struct{}{}
	l.ends()
}

func TestAWorkerDrainsAndLeavesWhereItIsNotWelcome(t *testing.T) {
	l, first := started(t)
	first.conn.Close()
	l.next().reject(pb.RejectCode_REJECT_CODE_UNKNOWN_TOKEN)
	l.leaves()
}

// The process of the next test.
func TestHangingWorker(t *testing.T) {
	if os.Getenv("HANGS") == "" {
		t.Skip("it is another test's")
	}
	Run(func(w *Worker) error {
		w.Started()
		<-w.StopRequested()
		fmt.Println("drains")
		select {}
	}, nil)
}

func TestWhereNobodyWelcomesItAWorkerLeavesAndIfItHangsThenItsProcessEnds(t *testing.T) {
	masters := listen(t)
	t.Setenv("HANGS", "1")
	command := exec.Command(os.Args[0], "-test.run=^TestHangingWorker$")
	output := make(chan string, 1)
	go func() {
		said, _ := command.CombinedOutput()
		output <- string(said)
	}()
	first := masters.next().welcome(2000)
	first.says("started:{}", 0)
	since := time.Now()
	first.conn.Close()
	masters.next() // and that is all
	said := <-output
	if took := time.Since(since); took < 3900*time.Millisecond || command.ProcessState.ExitCode() != exitCode || !strings.Contains(said, "drains\n") {
		t.Errorf("after %v, with %v: %s", took, command.ProcessState, said)
	}
}
