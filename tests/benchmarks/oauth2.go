// SPDX-License-Identifier: MIT
// The same measurements as get.cpp and herd.cpp, of golang.org/x/oauth2.

package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/oauth2"
)

const herdSize = 64

type source func() (*oauth2.Token, error)

func (ask source) Token() (*oauth2.Token, error) { return ask() }

func freshToken() (*oauth2.Token, error) {
	return &oauth2.Token{AccessToken: strings.Repeat("x", 1024), Expiry: time.Now().Add(24 * time.Hour)}, nil
}

// Runs work in so many goroutines, which start at once, and returns when all are done.
func together(goroutines int, work func()) (taken time.Duration) {
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := 0; i < goroutines; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			<-start
			work()
		}()
	}
	startedAt := time.Now()
	close(start)
	all.Wait()
	return time.Since(startedAt)
}

func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

var sink int64

// Prints what Google Benchmark prints: name, calls, wall-clock and processor nanoseconds a call.
func measure(name string, goroutines int, calls int, use func(*oauth2.Token, *http.Request)) {
	tokens := oauth2.ReuseTokenSource(nil, source(freshToken))
	before := processorTime()
	taken := together(goroutines, func() {
		request, _ := http.NewRequest("GET", "http://localhost/", nil)
		for i := 0; i < calls/goroutines; i++ {
			held, err := tokens.Token()
			if err != nil {
				panic(err)
			}
			use(held, request)
		}
		atomic.AddInt64(&sink, int64(len(request.Header)))
	})
	used := processorTime() - before
	fmt.Printf("%s/threads:%d,%d,%.2f,%.2f,ns\n", name, goroutines, calls,
		float64(taken)/float64(calls), float64(used)/float64(calls))
}

func answer(isFailing bool) (*oauth2.Token, error) {
	time.Sleep(50 * time.Millisecond)
	if isFailing {
		return nil, errors.New("the server is down")
	}
	return freshToken()
}

func threads(name string, isFailing bool) {
	var requests int64
	tokens := oauth2.ReuseTokenSource(nil, source(func() (*oauth2.Token, error) {
		atomic.AddInt64(&requests, 1)
		return answer(isFailing)
	}))
	taken := together(herdSize, func() { tokens.Token() })
	fmt.Printf("%s/oauth2,%d,%.1f\n", name, requests, float64(taken)/1e6)
}

// One of many processes. Each request adds a byte to `requests` in the folder.
func process(folder string) {
	oauth2.ReuseTokenSource(nil, source(func() (*oauth2.Token, error) {
		file, err := os.OpenFile(folder+"/requests", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0600)
		if err != nil {
			panic(err)
		}
		defer file.Close()
		file.WriteString(".")
		return answer(false)
	})).Token()
}

func main() {
	switch {
	case len(os.Args) == 1:
		for _, goroutines := range []int{1, 8} {
			measure("oauth2_token", goroutines, 4000000, func(*oauth2.Token, *http.Request) {})
			measure("oauth2_token_and_header", goroutines, 400000, (*oauth2.Token).SetAuthHeader)
		}
	case os.Args[1] == "herd":
		threads("empty", false)
		threads("failing", true)
	default:
		process(os.Args[1])
	}
}
