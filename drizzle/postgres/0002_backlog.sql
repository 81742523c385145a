ALTER TABLE "endpoints" ADD COLUMN "backlog_told_at" bigint;--> statement-breakpoint
CREATE INDEX "endpoints_backlog" ON "endpoints" USING btree ("id") WHERE backlog_told_at is not null;