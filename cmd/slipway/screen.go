package main

import (
	"os"

	"golang.org/x/sys/unix"

	"slipway/bot/card"
)

// screen is how many columns f shows, 0 if it is no terminal.
func screen(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// fit is a line in at most width columns; a width of 0 is endless.
func fit(line string, width int) string {
	if width <= 0 {
		return line
	}
	return card.Fit(line, width)
}

// cardWidth is how wide cards are drawn here, with room for the indent of messages.
func cardWidth() int {
	if width := screen(os.Stdout); width > 0 {
		return min(columns, width-4)
	}
	return columns
}
