// SPDX-License-Identifier: MIT
// One token by golang.org/x/oauth2.

package main

import (
	"context"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	asked := clientcredentials.Config{
		ClientID:     os.Getenv("CIBMTR_CLIENT_ID"),
		ClientSecret: os.Getenv("CIBMTR_CLIENT_SECRET"),
		TokenURL:     os.Getenv("TOKEN_URL"),
		Scopes:       []string{os.Getenv("CIBMTR_SCOPE")},
		AuthStyle:    oauth2.AuthStyleInHeader,
	}
	if _, err := asked.Token(context.Background()); err != nil {
		panic(err)
	}
}
