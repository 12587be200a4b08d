package droverworker

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/drover/drover/packages/go/pb"
)

const (
	mending       = time.Second // for so long somebody may be mending the path, where nobody holds it
	shortestGrace = time.Second
	longestGrace  = 365 * 24 * 60 * 60_000 // ms: as good as no limit, and no overflow
	exitCode      = 70                     // of a process that has not left in time: EX_SOFTWARE of sysexits.h
)

// pauses are made between two tries; the last one from then on.
var pauses = [...]time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond}

// search looks for a successor of the master, at the same path: docs/reference/protocol.md of Drover, "The end of a connection".
type search struct {
	path   string
	hello  []byte
	since  time.Time
	grace  time.Duration
	tries  int
	gone   time.Time   // since when nobody holds the path; zero: somebody does
	isHeld bool        // has somebody held it?
	exit   *time.Timer // ends a process that hangs
}

func newSearch(path string, hello []byte, limits *pb.Limits) *search {
	grace := graceOf(limits)
	return &search{path: path, hello: hello, since: time.Now(), grace: grace, exit: time.AfterFunc(grace, func() { os.Exit(exitCode) })}
}

func graceOf(limits *pb.Limits) time.Duration {
	var sum time.Duration
	for _, ms := range []uint64{limits.GetDrainTimeoutMs(), limits.GetQuitTimeoutMs()} {
		if ms > longestGrace {
			ms = longestGrace
		}
		sum += time.Duration(ms) * time.Millisecond
	}
	if sum < shortestGrace {
		return shortestGrace
	}
	return sum
}

// successor waits for one that welcomes this worker. With an error there is none.
func (s *search) successor() (*link, error) {
	for {
		found, err := s.try()
		if err == nil {
			s.exit.Stop()
			return found, nil
		}
		pause := pauses[len(pauses)-1]
		if s.tries < len(pauses) {
			pause = pauses[s.tries]
		}
		s.tries++
		if !s.goesOn(err, pause) {
			return nil, err
		}
		time.Sleep(pause)
	}
}

func (s *search) try() (*link, error) {
	conn, err := net.Dial("unix", s.path)
	if err != nil {
		return nil, err
	}
	s.held()
	return greet(conn, s.hello, s.since.Add(s.grace))
}

// held: a successor of the master will accept, which may take a while.
func (s *search) held() {
	s.gone = time.Time{}
	if !s.isHeld {
		s.isHeld = true
		s.exit.Reset(time.Until(s.since.Add(2 * s.grace)))
	}
}

// goesOn tells whether another try after this pause may succeed.
func (s *search) goesOn(err error, pause time.Duration) bool {
	var answer *rejected
	if errors.As(err, &answer) {
		// It has not seen the end of the old connection yet.
		return answer.code == pb.RejectCode_REJECT_CODE_TOKEN_IN_USE && s.hasTime(pause)
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		if isInNeed(err) {
			s.held() // it says nothing about who holds the path
			return s.hasTime(pause)
		}
		if s.gone.IsZero() {
			s.gone = time.Now()
		}
		patience := mending
		if s.grace/2 < patience {
			patience = s.grace / 2
		}
		if time.Since(s.gone)+pause > patience {
			return false
		}
	}
	return s.hasTime(pause)
}

func (s *search) hasTime(pause time.Duration) bool {
	return time.Since(s.since)+pause < s.grace
}

// giveUp lets the process end in time.
func (s *search) giveUp() {
	left := time.Until(s.since.Add(s.grace))
	if s.isHeld {
		left = s.grace
	}
	s.exit.Reset(left)
}

func isInNeed(err error) bool {
	for _, need := range []error{syscall.EAGAIN, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, need) {
			return true
		}
	}
	return false
}
